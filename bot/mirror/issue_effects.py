"""What a changed issue means for tasks: create, rename, end or reopen one, wake its dependants."""

from collections.abc import Collection, Sequence
from typing import Literal, cast

from bot.comments import authorship, orphaned_pulls
from bot.identity.actors import BOT, TRUSTED
from bot.messages import deadlocks
from bot.mirror.attribution import actor_of
from bot.mirror.changes import Sender
from bot.repository import repository_settings
from bot.tasks import issue_state, label_changes, lifecycle, task_events, task_labels
from bot.tasks.states import OPEN
from bot.times import SECOND
from bot.workflows.gates import open_gates
from bot.workflows.reconciliation import following
from store.engine import json_text
from store.engine.transaction import Row, Tx
from store.mirror import (
    dependency_cycles,
    referrers,
    relations,
    stored_issues,
    stored_repositories,
    transfers,
    version_guard,
)
from store.mirror.relations import Changed
from store.outbox import writes
from store.tables.mirror import IssueRow, PullRequestRow
from store.tables.outbox import WriteRow
from store.tables.tasks import TaskState
from store.tasks import ready, tasks
from store.tasks.tasks import FullTask

# GitHub's `state_reason` of a closed issue, to the task's state; any other means completed.
CLOSED_AS: dict[str | None, TaskState] = {"not_planned": "cancelled", "duplicate": "cancelled"}

# The actions of the webhooks that tell of a changed label, and of an issue's end.
LABELLING, CLOSING = ("labeled", "unlabeled"), ("closed", "deleted", "transferred")
REOPENING = ("reopened",)
# What notices call the columns of which a change concerns the holder.
PART_NAMES = {"title": "the title", "body": "the description"}


async def without_effects(tx: Tx, installation_id: int, rows: Sequence[IssueRow]) -> set[int]:
    """The issues of which `update_task` and `after_issue` would do nothing with these rows.

    They have no task, no relations and no milestone, and all their labels exist. For many issues
    this takes as many queries as those functions take for one. No labels may change meanwhile.
    """
    ids = {row["id"] for row in rows}
    others = {row["id"] for row in rows if row["deleted"] or row["milestone"] is not None}
    others |= await tasks.issues_with_task(tx, installation_id, ids)
    others |= await dependency_cycles.with_dependencies(tx, installation_id, ids)
    labelled = [row for row in rows if row["labels"] != "[]"]
    for repository_id in sorted({row["repository_id"] for row in labelled}):
        plain = await _plain_labels(tx, (installation_id, repository_id), labelled)
        others |= {
            row["id"] for row in labelled if not plain.issuperset(json_text.value(row["labels"]))
        }
    return ids - others


async def _plain_labels(tx: Tx, here: tuple[int, int], rows: Sequence[IssueRow]) -> set[str]:
    """The labels of these rows that exist in the repository and make no task."""
    names = {name for row in rows for name in json_text.value(row["labels"])}
    settings = await repository_settings.of(tx, *here)
    live = await referrers.live_labels(tx, *here, names)
    return {name for name in live if not task_labels.has_label([name], settings.task_label)}


async def update_task(
    tx: Tx, row: IssueRow, before: IssueRow | None, sender: Sender | None = None
) -> None:
    """Bring the issue's task in line with the issue, or create one for it."""
    # The lock comes first: a claim or an update under way must end before the task is read.
    task = await tasks.of_issue(tx, row["installation_id"], row["id"])
    task = task and await tasks.lock(tx, row["installation_id"], task["id"])
    # The relations of a deleted issue go only now: by them its dependants are found.
    await _wake_dependants(tx, row, before)
    await _drop_relations(tx, row)
    if task is None:
        await _create_task(tx, row, sender)
        if before is None and not _is_closed(row):
            await following.follow_issue(tx, row["installation_id"], row["id"])
        return
    # The state comes last: its event and the card must show the new title and labels.
    await _update_title(tx, task, row)
    await _report_edit(tx, task, row, before, sender)
    await _update_labels(tx, task, row, before, sender)
    await _update_state(tx, task, row, before, sender)


def _is_closed(row: IssueRow) -> bool:
    """A deleted issue counts as closed."""
    return bool(row["deleted"]) or row["state"] == "closed"


async def _wake_dependants(tx: Tx, row: IssueRow, before: IssueRow | None) -> None:
    """An opened or closed issue forms or ends dependency cycles; a closed one blocks nobody."""
    closed = _is_closed(row)
    if before is not None and closed == _is_closed(before):
        return
    here = (tx, row["installation_id"])
    if not await dependency_cycles.has_dependencies(*here, (row["id"],)):
        return
    await record_cycles(*here, await dependency_cycles.update_cycles(*here, (row["id"],)))
    # An issue that moved to another repository blocks from there.
    if closed and not (row["deleted"] and await _has_moved(tx, row)):
        how = "deleted" if row["deleted"] else "closed"
        for task in await ready.unblocked_by(*here, row["id"]):
            await lifecycle.announce_ready(tx, task, f"#{row['number']} was {how}")


async def _has_moved(tx: Tx, row: IssueRow) -> bool:
    """Whether it went to a repository that the mirror covers."""
    here = (tx, row["installation_id"])
    there = await transfers.get(*here, (row["repository_id"], row["number"]))
    return (
        there is not None
        and await stored_repositories.repository_by_id(*here, there[0]) is not None
    )


async def _drop_relations(tx: Tx, row: IssueRow) -> None:
    """Drop the relations of a deleted issue. One that is only hidden may return."""
    if row["deleted"] and version_guard.is_final(row["version"]):
        await relations.drop(tx, row["installation_id"], row["id"])


async def _create_task(tx: Tx, row: IssueRow, sender: Sender | None) -> None:
    """Create the task of an open issue that carries the repository's task label."""
    if _is_closed(row) or not await _has_task_label(tx, row):
        return
    task = await make_task(tx, row)
    if task is not None:
        await _announce_new(tx, task, await actor_of(tx, row, sender, ("opened", *LABELLING)))


async def make_task(tx: Tx, row: IssueRow) -> FullTask | None:
    """Make the issue a task, without its event. None if it was deleted meanwhile."""
    task_id = await tasks.create(
        tx,
        row["installation_id"],
        repository_id=row["repository_id"],
        issue_id=row["id"],
        number=row["number"],
        title=row["title"],
        outsider=await _outsider(tx, row),
        **task_labels.task_fields(json_text.value(row["labels"])),
    )
    return await tasks.get(tx, row["installation_id"], task_id)


async def _announce_new(tx: Tx, task: FullTask, actor: str) -> None:
    await lifecycle.record(tx, task, "task.created", actor)
    await lifecycle.announce_if_ready(tx, task["installation_id"], task["id"], "it is new")


async def _has_task_label(tx: Tx, row: IssueRow) -> bool:
    if row["is_pull_request"] or row["labels"] == "[]":
        return False
    settings = await repository_settings.of(tx, row["installation_id"], row["repository_id"])
    return task_labels.has_label(json_text.value(row["labels"]), settings.task_label)


async def _update_title(tx: Tx, task: FullTask, row: IssueRow) -> None:
    changed = {
        "title": row["title"],
        "number": row["number"],
        "outsider": await _outsider(tx, row) or _author_elsewhere(task),
    }
    if any(task[name] != value for name, value in changed.items()):  # type: ignore[literal-required]
        await tasks.change(tx, row["installation_id"], task["id"], **changed)


def _author_elsewhere(task: FullTask) -> str | None:
    """Who wrote the title of a task that came from a foreign tracker. No login has a colon."""
    return task["outsider"] if ":" in (task["outsider"] or "") else None


async def _report_edit(
    tx: Tx, task: FullTask, row: IssueRow, before: IssueRow | None, sender: Sender | None
) -> None:
    """Tell the holder when the title or the description changed, because it works by them."""
    if before is None or row["deleted"] or before["deleted"] or not task["holder"]:
        return
    now, then = cast("Row", row), cast("Row", before)
    edited = [words for name, words in PART_NAMES.items() if now[name] != then[name]]
    if edited:
        actor = await actor_of(tx, row, sender, ("edited",))
        data = {"what": " and ".join(edited)}
        await task_events.append(tx, task, "task.edited", actor, data)


async def _outsider(tx: Tx, row: IssueRow) -> str | None:
    """The author, unless GitHub says that they belong to the repository, or Hubbub posted it."""
    if row["author_association"] in TRUSTED:
        return None
    if authorship.is_bot(row["author"]) and authorship.is_ours(
        row["author"], row["author_id"], await authorship.bot_id(tx)
    ):
        return None
    return authorship.shown_author(row["author"])


async def _update_labels(
    tx: Tx, task: FullTask, row: IssueRow, before: IssueRow | None, sender: Sender | None
) -> None:
    """Take priority, size and capabilities from labels that somebody added or removed."""
    if before is None or before["labels"] == row["labels"]:
        return
    now = json_text.value(row["labels"])
    changed = task_labels.changed_task_fields(json_text.value(before["labels"]), now)
    has: Row = task
    # What a write under way changes again is no decision: it may be the effect of a superseded one.
    coming = await label_changes.coming_labels(tx, row)
    later = task_labels.changed_task_fields(now, label_changes.labels_after(now, coming))
    new = {n: value for n, value in changed.items() if has[n] != value and n not in later}
    if new:
        await tasks.change(tx, task["installation_id"], task["id"], **tasks.encode(new))
        actor = await actor_of(tx, row, sender, LABELLING)
        await lifecycle.record_change(tx, task, actor, new)
    if not new.keys() & lifecycle.MATCHED and _has_new_label(before, row):
        here = (tx, task["installation_id"], task["id"])
        await lifecycle.announce_if_ready(*here, "it has a new label")


def _has_new_label(before: IssueRow, row: IssueRow) -> bool:
    """Whether claims that ask for a label may find the task now. They never ask for a priority."""
    new = set(json_text.value(row["labels"])) - set(json_text.value(before["labels"]))
    return any("priority" not in task_labels.task_fields([each]) for each in new)


async def _update_state(
    tx: Tx, task: FullTask, row: IssueRow, before: IssueRow | None, sender: Sender | None
) -> None:
    """End the task of an issue that was closed or deleted; reopen that of a reopened one."""
    closed = _is_closed(row)
    was_closed = before is not None and _is_closed(before)
    did = CLOSING if closed else REOPENING
    agrees = closed == (task["state"] not in OPEN)
    if closed == was_closed and (agrees or not await issue_state.was_undone(tx, task, row)):
        return
    at = (row["closed_at"] if closed else None) or row["updated_at"]
    by_hand = sender is not None and sender.did in did and not authorship.is_bot(sender.login)
    by = None if by_hand else await issue_state.cause(tx, row, at)
    is_superseded = not row["deleted"] and await issue_state.is_superseded(tx, task, row, at, by)
    if not agrees and is_superseded:
        await issue_state.follow(tx, task, at=at)
        return
    if not agrees:
        actor = await actor_of(tx, row, sender, did, task["pull_number"])
        await _move_with_issue(tx, task, row, actor, at)
    if by is None and not row["deleted"]:
        await _record_decision(tx, task, "ended_at" if closed else "retried_at", at)
        await _withdraw_decisions(tx, task, at + SECOND)


async def _move_with_issue(tx: Tx, task: FullTask, row: IssueRow, actor: str, at: int) -> None:
    """End or reopen the task as its issue was."""
    to, how = CLOSED_AS.get(row["state_reason"], "completed"), "closed"
    if row["deleted"]:
        to, how = "cancelled", "deleted"
    elif row["state"] == "open":
        to, how = "pending", "reopened"
    why = f"the issue was {how}"
    if to != "pending" and await open_gates.of_task(tx, task) is not None:
        # Only votes pass a gate. Who closes its issue stops there.
        to, why = "failed", f"{why} before the gate was decided"
    await lifecycle.move(tx, task, to, actor, why, at=at)
    if how == "closed" and to == "cancelled":
        await orphaned_pulls.flag(tx, task)
    if to == "pending":
        await tasks.change(tx, task["installation_id"], task["id"], retried_at=at)
        await orphaned_pulls.withdraw(tx, task)


async def _record_decision(
    tx: Tx, task: FullTask, when: Literal["ended_at", "retried_at"], at: int
) -> None:
    """Record the time of a decision, unless a newer one is known."""
    if at > (task[when] or 0):
        await tasks.change(tx, task["installation_id"], task["id"], **{when: at})


async def _withdraw_decisions(tx: Tx, task: FullTask, before: int) -> None:
    """What a person did by hand stands against older decisions that wait in the outbox."""
    here = (tx, task["installation_id"])
    number = task["number"] or 0
    where = (task["repository_id"], number)
    newer = await issue_state.withdraw_queued(*here, *where, before=before)
    moved = await tasks.get(*here, task["id"])
    if moved is not None and not newer:
        await issue_state.follow(tx, moved)


async def apply_sent_state(tx: Tx, write: WriteRow) -> None:
    """Move the task with a change of its issue's state that took effect.

    GitHub sends no webhook if the issue had this state already.
    """
    number, state = write["arguments"]["number"], issue_state.state_of(write)
    here = (tx, write["installation_id"], write["repository_id"], number)
    issue, task = await stored_issues.issue(*here), await tasks.by_number(*here)
    if issue is None or task is None or (state == "open") == (task["state"] in OPEN):
        return
    task = await tasks.lock(tx, write["installation_id"], task["id"]) or task
    reason = write["arguments"].get("state_reason")
    changed: IssueRow = {**issue, "state": state, "state_reason": reason}
    if await issue_state.is_superseded(tx, task, changed, write["queued_at"], write):
        return
    await _move_with_issue(tx, task, changed, write["author"], write["queued_at"])


def was_closed_before_retry(row: PullRequestRow, task: FullTask) -> bool:
    """Whether the pull request was closed before somebody retried the task."""
    return (row["closed_at"] or 0) < (task["retried_at"] or 0)


async def bind_issue(
    tx: Tx, installation_id: int, task_id: str, repository_id: int, issue_id: int, number: int
) -> None:
    """Bind a task to the issue that was created for it; close the issue if the task has ended."""
    here = (tx, installation_id)
    if not await tasks.bind(*here, task_id, repository_id, issue_id, number):
        return
    task = await tasks.get(*here, task_id)
    if task is None:
        return
    creation = await writes.newest(*here, f"task {task_id}", "issue")
    await _announce_new(tx, task, creation["author"] if creation else BOT)
    if task["state"] not in OPEN:
        await issue_state.close_new(tx, task)


async def update_dependants(tx: Tx, installation_id: int, changed: Changed) -> None:
    """After a change of relations: record new cycles, wake tasks that nothing blocks any more."""
    await record_cycles(tx, installation_id, changed.newly_in_cycle)
    for issue_id in sorted(changed.were_blocked - changed.newly_in_cycle):
        for task in await ready.unblocked_task(tx, installation_id, issue_id):
            await lifecycle.announce_ready(tx, task, "it waits for nothing any more")
    if changed.with_blockers:
        await deadlocks.check_issues(tx, installation_id, changed.with_blockers)


async def record_cycles(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> None:
    """Record on each task that its issue is part of a dependency cycle now, which blocks nobody."""
    for issue_id in sorted(issue_ids):
        if task := await tasks.of_issue(tx, installation_id, issue_id):
            await lifecycle.record(tx, task, "task.circle", BOT)
            here = (tx, installation_id, task["id"])
            await lifecycle.announce_if_ready(*here, "its blockers are in a cycle with it")
