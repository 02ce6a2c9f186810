"""What a changed pull request, or a review of it, means for the tasks that it is about."""

from bot.identity.actors import TRUSTED
from bot.mirror import issue_links, reads
from bot.mirror.attribution import actor_of
from bot.mirror.changes import Sender
from bot.mirror.issue_effects import was_closed_before_retry
from bot.tasks import lifecycle, path_overlap
from bot.tasks.states import OPEN
from bot.times import SECOND
from store import events
from store.engine.transaction import Tx
from store.mirror import pulls, stored_repositories
from store.tables.mirror import PullRequestRow, ReviewRow
from store.tasks import tasks


async def put_issue_links(tx: Tx, row: PullRequestRow, _: PullRequestRow | None) -> None:
    """Store which issues the pull request closes, by its body and its branch's name."""
    here = (row["installation_id"], row["repository_id"], row["number"])
    links = [
        {"issue_repository": link.repository, "issue_number": link.number, "how": link.how}
        for link in issue_links.links(row["body"], row["head_ref"])
    ]
    await pulls.put_links(tx, *here, links)


async def queue_files_read(tx: Tx, row: PullRequestRow, before: PullRequestRow | None) -> None:
    """Have the changed files read again after a push, or a change of the base branch."""
    known = before and (before["head_sha"], before["base_ref"])
    if row["state"] == "open" and (row["head_sha"], row["base_ref"]) != known:
        read = reads.thread("pull_files", row["repository_id"], row["number"])
        await reads.queue(tx, row["installation_id"], read)


async def update_tasks(
    tx: Tx, row: PullRequestRow, before: PullRequestRow | None, sender: Sender | None = None
) -> None:
    """Complete the tasks of a merged pull request; send those of a closed one back."""
    if before is None or before["state"] != row["state"]:
        await path_overlap.report_pull_change(tx, row, ())
    if row["merged"]:
        # A task may have begun again since the merge, so each merge counts once.
        if (before is None or not before["merged"]) and await _is_into_default(tx, row):
            await _complete_tasks(tx, row, await actor_of(tx, row, sender, ("closed",)))
    elif row["state"] == "closed" and row["closed_at"]:
        why = f"pull request #{row['number']} was closed"
        actor = await actor_of(tx, row, sender, ("closed",))
        await _send_back(tx, row, row["closed_at"], actor, why)


async def _is_into_default(tx: Tx, row: PullRequestRow) -> bool:
    """Whether the work reached the default branch.

    Otherwise GitHub leaves the issue open, and so does the task: the work is not done yet.
    """
    where = await stored_repositories.repository_by_id(
        tx, row["installation_id"], row["repository_id"]
    )
    return where is None or where["default_branch"] in ("", row["base_ref"])


async def _complete_tasks(tx: Tx, row: PullRequestRow, actor: str) -> None:
    installation_id, number = row["installation_id"], row["number"]
    for found in await tasks.of_pull(tx, installation_id, row["repository_id"], number):
        task = await tasks.lock(tx, installation_id, found["id"])
        if task is not None and task["state"] in OPEN and not was_closed_before_retry(row, task):
            why = f"pull request #{number} was merged"
            await lifecycle.move(tx, task, "completed", actor, why)


async def apply_review(tx: Tx, row: ReviewRow, before: ReviewRow | None) -> None:
    """Send the task back when a member of the repository requests changes."""
    wanted = row["state"] == "changes_requested" and row["author_association"] in TRUSTED
    if before is not None or row["deleted"] or not wanted:
        return
    why = f"changes were requested on #{row['number']}"
    await _send_back(tx, row, row["submitted_at"] or 0, f"@{row['author']}", why)


async def _send_back(
    tx: Tx, row: PullRequestRow | ReviewRow, at: int, actor: str, why: str
) -> None:
    """Move tasks from in_review back to in_progress; the lease's time runs again.

    A review or close that is older than the step to in_review changes nothing.
    """
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    for found in await tasks.of_pull(*here):
        task = await tasks.lock(tx, row["installation_id"], found["id"])
        if task is None or task["state"] != "in_review" or task["lease_id"] is None:
            continue
        # Take the time from the event: a question or a hold may have parked the lease earlier.
        step = await events.newest(tx, row["installation_id"], task["id"], "task.in_review")
        if step is None or at + SECOND >= step["at"]:
            await lifecycle.move(tx, task, "in_progress", actor, why)
