"""What a changed pull request, or a review of it, means for the tasks that it is about."""

import json
from collections.abc import Sequence
from typing import Literal, TypeAlias

from bot.comments import orphaned_pulls
from bot.identity.actors import TRUSTED
from bot.mirror import issue_links, overlap_reads, own_changes, reads
from bot.mirror.attribution import actor_of
from bot.mirror.changes import Sender
from bot.mirror.issue_effects import was_closed_before_retry
from bot.pulls import checks, facts, review_verdicts, workflow_files
from bot.repository import repository_settings
from bot.tasks import lifecycle, publishing, pull_ties
from bot.tasks.states import OPEN
from bot.times import SECOND
from bot.workflows.gates import open_gates
from store import events
from store.engine.transaction import Tx
from store.mirror import head_checks, pulls, stored_repositories
from store.tables.mirror import PullRequestRow, ReviewRow
from store.tables.tasks import TaskState
from store.tasks import pull_tasks, tasks
from store.tasks.tasks import FullTask

Compared: TypeAlias = Literal["state", "body", "head_ref", "head_sha", "base_ref"]
# By these a pull request is for a task, or is not.
NAMED_BY: tuple[Compared, ...] = ("state", "body", "head_ref")
# These decide which files it changes.
PROPOSED_BY: tuple[Compared, ...] = ("head_sha", "base_ref")
# How long the edit of a card waits after a verdict, because others may follow.
VERDICT_DELAY = 60 * SECOND


async def put_issue_links(tx: Tx, row: PullRequestRow, _: PullRequestRow | None) -> None:
    """Store which issues the pull request closes, by its body and its branch's name."""
    here = (row["installation_id"], row["repository_id"], row["number"])
    links = [
        {"issue_repository": link.repository, "issue_number": link.number, "how": link.how}
        for link in issue_links.links(row["body"], row["head_ref"].rpartition(":")[2])
    ]
    await pulls.put_links(tx, *here, links)


async def update_files(tx: Tx, row: PullRequestRow, before: PullRequestRow | None) -> None:
    """After a push, or a change of the base branch, list the changed files or have them read."""
    known = before and (before["head_sha"], before["base_ref"])
    if row["state"] != "open" or (row["head_sha"], row["base_ref"]) == known:
        return
    if not await _put_own_files(tx, row, before):
        # Claims and the check of a task's pull request depend on what it changes.
        priority = reads.NOW if await facts.tasks_of(tx, row) else reads.SOON
        read = reads.thread("pull_files", row["repository_id"], row["number"], priority)
        await reads.queue(tx, row["installation_id"], read)


async def _put_own_files(tx: Tx, row: PullRequestRow, before: PullRequestRow | None) -> bool:
    """For a task's pull request with commits through Hubbub alone, the paths are known."""
    here = (row["installation_id"], row["repository_id"])
    if not await tasks.of_pull(tx, *here, row["number"]):
        return False
    files = await own_changes.files(tx, row)
    # Of a workflow file, the check needs to know the blob.
    if files is None or workflow_files.files_in(files):
        return False
    stored = await pulls.files(tx, *here, row["number"])
    await pulls.put_files(
        tx,
        {
            "installation_id": here[0],
            "repository_id": here[1],
            "number": row["number"],
            "head_sha": row["head_sha"],
            "files": json.dumps(files),
            "whole": 1,
            "read_at": await tx.now(),
        },
    )
    # Of a new state, `update_tasks` reports all overlaps.
    if before is not None and before["state"] == row["state"]:
        await overlap_reads.report_pull_change(tx, row, stored["files"] if stored else ())
    return True


# The action of the webhook of a pull request that became a draft.
DRAFTING = ("converted_to_draft",)


async def update_tasks(
    tx: Tx, row: PullRequestRow, before: PullRequestRow | None, sender: Sender | None = None
) -> None:
    """Complete the tasks of a merged pull request; send those of a closed one back."""
    if before is None or before["state"] != row["state"]:
        await overlap_reads.report_pull_change(tx, row, ())
    if before is not None and (before["state"], row["state"]) == ("open", "closed"):
        await _withdraw_flags(tx, row)
    if before is not None and before["head_sha"] != row["head_sha"]:
        await _show_outdated(tx, row)
    if row["state"] == "open":
        await pull_ties.follow(tx, row, before)
        if before is not None and not before["draft"] and row["draft"]:
            why = f"pull request #{row['number']} is a draft again"
            await send_back(
                tx, row, row["updated_at"], await actor_of(tx, row, sender, DRAFTING), why
            )
    if row["merged"]:
        # A task may have begun again since the merge, so each merge counts once.
        if (before is None or not before["merged"]) and await _is_into_default(tx, row):
            await _complete_tasks(tx, row, await actor_of(tx, row, sender, ("closed",)))
    elif row["state"] == "closed" and row["closed_at"]:
        why = f"pull request #{row['number']} was closed"
        actor = await actor_of(tx, row, sender, ("closed",))
        await send_back(tx, row, row["closed_at"], actor, why)


async def refresh_checks(
    tx: Tx, row: PullRequestRow, before: PullRequestRow | None, _: Sender | None = None
) -> None:
    """Compute Hubbub's check on it again, and on the other pull requests of its tasks."""
    here = (tx, row["installation_id"], row["repository_id"])
    if before is not None and (before["state"], row["state"]) == ("open", "closed"):
        await head_checks.drop_override(*here, row["number"])
    if _differs(row, before, NAMED_BY):
        for task in await _tasks_now_and_before(tx, row, before):
            await checks.refresh_task(tx, task)
    is_reopened = before is not None and before["state"] != "open"
    # One that is for no task any more is among the pull requests of none.
    if is_reopened or _differs(row, before, (*NAMED_BY, *PROPOSED_BY)):
        # What was queued for its head while it was closed, or had another head, was dropped. So the
        # check is written again, also for a head that comes back.
        has_moved = before is not None and before["head_sha"] != row["head_sha"]
        await checks.refresh_pull(tx, row, again=is_reopened or has_moved)


def _differs(row: PullRequestRow, before: PullRequestRow | None, names: Sequence[Compared]) -> bool:
    return before is None or any(before[name] != row[name] for name in names)


async def _tasks_now_and_before(
    tx: Tx, row: PullRequestRow, before: PullRequestRow | None
) -> list[FullTask]:
    """The tasks that it is for, and those that it was for before its text changed."""
    found = {each["id"]: each for each in await facts.tasks_of(tx, row)}
    if before is not None and before["body"] != row["body"]:
        named = issue_links.links(before["body"], before["head_ref"].rpartition(":")[2])
        numbers = [each.number for each in named if not each.repository]
        here = (tx, row["installation_id"], row["repository_id"], row["number"])
        found |= {each["id"]: each for each in await pull_tasks.of_pull_or_issues(*here, numbers)}
    return list(found.values())


async def _withdraw_flags(tx: Tx, row: PullRequestRow) -> None:
    """Once a pull request is closed or merged, it no longer matters that its task was cancelled."""
    here = (tx, row["installation_id"])
    for task in await tasks.of_pull(*here, row["repository_id"], row["number"]):
        await orphaned_pulls.withdraw(tx, task)


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
        if task is None or task["state"] not in OPEN or was_closed_before_retry(row, task):
            continue
        if await open_gates.of_task(tx, task) is None:
            why = f"pull request #{number} was merged"
            await lifecycle.move(tx, task, "completed", actor, why)


async def apply_review(tx: Tx, row: ReviewRow, before: ReviewRow | None) -> None:
    """Show it on the card; send the task back when a member of the repository requests changes."""
    if row["deleted"] or row["author_association"] not in TRUSTED:
        return
    is_new = before is None or before["state"] != row["state"]
    if is_new and row["state"] != "commented":
        await show_verdicts(tx, row)
    if before is not None or row["state"] != "changes_requested":
        return
    why = f"changes were requested on #{row['number']}"
    await send_back(tx, row, row["submitted_at"] or 0, f"@{row['author']}", why)


async def show_verdicts(tx: Tx, row: PullRequestRow | ReviewRow) -> None:
    """Update the cards of its tasks, which say who approved and who requested changes.

    The check counts the approvals too, if the settings ask for some.
    """
    here = (tx, row["installation_id"])
    for task in await tasks.of_pull(*here, row["repository_id"], row["number"]):
        await publishing.show(tx, task, delay=VERDICT_DELAY)
    settings = await repository_settings.of(*here, row["repository_id"])
    if settings.check.approvals:
        pull = await pulls.pull_request(*here, row["repository_id"], row["number"])
        if pull is not None:
            await checks.refresh_pull(tx, pull)


async def _show_outdated(tx: Tx, row: PullRequestRow) -> None:
    """After a push, the verdicts so far are about an older head."""
    if await review_verdicts.of_pull(tx, row):
        await show_verdicts(tx, row)


async def send_back(tx: Tx, row: PullRequestRow | ReviewRow, at: int, actor: str, why: str) -> None:
    """Move tasks from in_review back to in_progress; the lease's time runs again.

    A task that nobody holds any more becomes pending. A review or close that is older than the step
    to in_review changes nothing.
    """
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    for found in await tasks.of_pull(*here):
        task = await tasks.lock(tx, row["installation_id"], found["id"])
        if task is None or task["state"] != "in_review":
            continue
        # Take the time from the event: a question or a hold may have parked the lease earlier.
        step = await events.newest(tx, row["installation_id"], task["id"], "task.in_review")
        if step is None or at + SECOND >= step["at"]:
            to: TaskState = "in_progress" if task["lease_id"] else "pending"
            await lifecycle.move(tx, task, to, actor, why)
