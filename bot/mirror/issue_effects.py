"""What GitHub's news means for tasks: made, closed, reopened, renamed, merged, or not written."""

import json
from collections.abc import Collection

from bot.comments import replies, slash_commands
from bot.identity.actors import BOT, TRUSTED
from bot.repository import repository_settings
from bot.tasks import labels, lifecycle, path_overlap
from bot.tasks.states import OPEN, TaskState
from bot.times import SECOND
from store import events
from store.engine.transaction import Row, Tx
from store.mirror import dependency_cycles, mirror_rows, relations, transfers
from store.mirror.mirror_rows import Put
from store.mirror.relations import Changed
from store.outbox import writes
from store.tasks import ready
from store.tasks import tasks as stored

# Of our commands: what else begins with a slash may be an answer.
VERBS = frozenset({*repository_settings.Permissions.model_fields, "help"})
# GitHub's reason for a closed issue, to the task's state.
CLOSED_AS: dict[str | None, TaskState] = {"not_planned": "cancelled", "duplicate": "cancelled"}


async def issue_changed(tx: Tx, row: Row, before: Row | None) -> None:
    """An issue's mirrored row is new: make, close, reopen or rename its task."""
    installation_id = row["installation_id"]
    task = await stored.of_issue(tx, installation_id, row["id"])
    task = task and await stored.locked(tx, installation_id, task["id"])
    gone = row["deleted"] or row["state"] == "closed"
    was_gone = before is not None and (before["deleted"] or before["state"] == "closed")
    if before is None or gone != was_gone:
        await _settle_waits(tx, row, gone=bool(gone))
    if row["deleted"]:
        await relations.drop(tx, installation_id, row["id"])
    if task is None:
        if not gone and await _is_asked_for(tx, row):
            await _make(tx, row)
        return
    if (task["title"], task["number"]) != (row["title"], row["number"]):
        await stored.change(
            tx, installation_id, task["id"], title=row["title"], number=row["number"]
        )
    if before is not None and before["labels"] != row["labels"]:
        await _take_labels(tx, task, json.loads(before["labels"]), json.loads(row["labels"]))
    if gone and not was_gone:
        to = "cancelled" if row["deleted"] else CLOSED_AS.get(row["state_reason"], "completed")
        if task["state"] in OPEN and (row["deleted"] or not _is_history(row, task)):
            await lifecycle.move(tx, task, to, BOT, "the issue was closed")
    elif was_gone and not gone and task["state"] not in OPEN:
        await lifecycle.move(tx, task, "pending", BOT, "the issue was reopened")
        await stored.change(tx, installation_id, task["id"], retried_at=row["updated_at"])


def _is_history(row: Row, task: Row) -> bool:
    """The issue, or pull request, was closed before the task began again."""
    return (row["closed_at"] or 0) < (task["retried_at"] or 0)


async def issue_made(
    tx: Tx, installation_id: int, task_id: str, repository_id: int, issue_id: int, number: int
) -> None:
    """The issue that a task asked for is there; if the task ended meanwhile, it is closed."""
    here = (tx, installation_id)
    if not await stored.bind(*here, task_id, repository_id, issue_id, number):
        return
    task = await stored.get(*here, task_id)
    if task is not None and task["state"] not in OPEN:
        completed = task["state"] == "completed"
        reason = "completed" if completed else "not_planned"
        await writes.queue(
            *here,
            kind="issue_update",
            repository_id=repository_id,
            target=writes.on_issue(repository_id, number),
            arguments={"number": number, "state": "closed", "state_reason": reason},
            author=BOT,
        )


async def _make(tx: Tx, row: Row) -> None:
    task_id = await stored.create(
        tx,
        row["installation_id"],
        repository_id=row["repository_id"],
        issue_id=row["id"],
        number=row["number"],
        title=row["title"],
        **labels.said(json.loads(row["labels"])),
    )
    task = await stored.get(tx, row["installation_id"], task_id)
    if task is not None:
        await lifecycle.record(tx, task, "task.created", BOT)


async def _take_labels(tx: Tx, task: Row, before: list[str], now: list[str]) -> None:
    changed = labels.changed(before, now)
    new = {name: value for name, value in changed.items() if task[name] != value}
    if new:
        await stored.change(tx, task["installation_id"], task["id"], **stored.encoded(new))
        await lifecycle.record(tx, task, "task.changed", BOT, **new)


async def _settle_waits(tx: Tx, row: Row, *, gone: bool) -> None:
    """It was opened or closed: who waits for it may go on, and circles form or end."""
    here = (tx, row["installation_id"])
    if not await dependency_cycles.waits(*here, (row["id"],)):
        return
    await circles_formed(*here, await dependency_cycles.settle(*here, (row["id"],)))
    # One that went to another repository is waited for there.
    if gone and not (row["deleted"] and await _went_on(tx, row)):
        how = "deleted" if row["deleted"] else "closed"
        for task in await ready.released_by(*here, row["id"]):
            await lifecycle.woken(tx, task, f"#{row['number']} was {how}")


async def _went_on(tx: Tx, row: Row) -> bool:
    """To a repository that the mirror reaches."""
    here = (tx, row["installation_id"])
    there = await transfers.get(*here, (row["repository_id"], row["number"]))
    return there is not None and await mirror_rows.repository_by_id(*here, there[0]) is not None


async def relations_changed(tx: Tx, installation_id: int, changed: Changed) -> None:
    """Who waits for nothing any more may go on; circles are told."""
    await circles_formed(tx, installation_id, changed.circled)
    for issue_id in sorted(changed.kept):
        for task in await ready.freed(tx, installation_id, issue_id):
            await lifecycle.woken(tx, task, "it waits for nothing any more")


async def circles_formed(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> None:
    """Tell of issues that wait for each other in a circle now."""
    for issue_id in sorted(issue_ids):
        if task := await stored.of_issue(tx, installation_id, issue_id):
            await lifecycle.record(tx, task, "task.circle", BOT)


async def comment_came(tx: Tx, row: Row, put: Put) -> None:
    """One of a person whom the repository knows answers what the task's holder asked."""
    if put.before is not None or row["deleted"] or row["author"].endswith("[bot]"):
        return
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    task = await stored.by_number(*here)
    # GitHub's times are whole seconds.
    if task is None or not task["question"] or row["created_at"] + SECOND < task["asked_at"]:
        return
    issue = await mirror_rows.issue(*here)
    if slash_commands.is_all(row["body"], VERBS) or await _is_unseen(tx, task):
        return
    its_author = issue is not None and issue["author_id"] == row["author_id"]
    if its_author or row["author_association"] in TRUSTED:
        task = await stored.locked(tx, row["installation_id"], task["id"]) or task
        await lifecycle.answered(tx, task, f"@{row['author']}")


async def _is_unseen(tx: Tx, task: Row) -> bool:
    """The question is not on GitHub yet."""
    target = writes.on_issue(task["repository_id"], task["number"])
    waiting = await writes.waiting(tx, task["installation_id"], target, "comment")
    question = replies.asks(task["question"])
    return any(
        each["state"] == "queued" and each["arguments"].get("body") == question for each in waiting
    )


async def review_came(tx: Tx, row: Row, put: Put) -> None:
    """One of the repository's people who requests changes sends the task back to its holder."""
    wanted = row["state"] == "changes_requested" and row["author_association"] in TRUSTED
    if put.before is not None or row["deleted"] or not wanted:
        return
    why = f"changes were requested on #{row['number']}"
    await _sent_back(tx, row, row["submitted_at"] or 0, f"@{row['author']}", why)


async def _sent_back(tx: Tx, row: Row, at: int, actor: str, why: str) -> None:
    """From the review; the time of the lease runs again. Not by what was said before it."""
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    for found in await stored.of_pull(*here):
        task = await stored.locked(tx, row["installation_id"], found["id"])
        if task is None or task["state"] != "in_review" or task["lease_id"] is None:
            continue
        # Its lease may have been parked before, by a question or a hold.
        step = await events.newest(tx, row["installation_id"], task["id"], "task.in_review")
        if step is None or at + SECOND >= step["at"]:
            await lifecycle.move(tx, task, "in_progress", actor, why)


async def _is_asked_for(tx: Tx, row: Row) -> bool:
    """An issue with the repository's task label."""
    if row["is_pull_request"] or row["labels"] == "[]":
        return False
    settings = await repository_settings.of(tx, row["installation_id"], row["repository_id"])
    return labels.carries(json.loads(row["labels"]), settings.task_label)


async def pull_changed(tx: Tx, row: Row, before: Row | None) -> None:
    """A PR's mirrored row is new: a merge completes its task, another end sends it back."""
    if before is None or before["state"] != row["state"]:
        await path_overlap.pull_changed(tx, row, ())
    if not row["merged"]:
        if row["state"] == "closed" and row["closed_at"]:
            why = f"pull request #{row['number']} was closed"
            await _sent_back(tx, row, row["closed_at"], BOT, why)
        return
    if before is not None and before["merged"]:
        return  # told already: the task may have begun again since
    here = (row["installation_id"], row["repository_id"])
    for found in await stored.of_pull(tx, *here, row["number"]):
        task = await stored.locked(tx, row["installation_id"], found["id"])
        if task is not None and task["state"] in OPEN and not _is_history(row, task):
            await lifecycle.move(
                tx, task, "completed", BOT, f"pull request #{row['number']} was merged"
            )


async def not_written(tx: Tx, write: Row, why: str) -> None:
    """What a write that will not take effect means for its task."""
    installation_id, task_id = write["installation_id"], write["task_id"]
    task = await stored.locked(tx, installation_id, task_id) if task_id else None
    if task is None:
        return
    if write["kind"] == "issue" and task["number"] is None and task["state"] in OPEN:
        await stored.change(tx, installation_id, task_id, note=f"It has no issue: {why}")
        await lifecycle.move(tx, task, "failed", BOT, "its issue could not be made")
    if task["question"] and write["arguments"].get("body") == replies.asks(task["question"]):
        await lifecycle.unasked(tx, task, why)
    card = task["card_comment_id"]
    if write["kind"] == "card" and await mirror_rows.is_deleted(
        tx, "comments", installation_id, card
    ):
        # Somebody deleted it: the next change makes a new one. A 404 alone may as well mean
        # that the App could not see it for a while.
        await stored.change(tx, installation_id, task_id, card_comment_id=None)
