"""What GitHub's news means for tasks: made, closed, reopened, renamed, merged, or not written."""

import json

from bot import repository_settings, tasks
from bot.actor import BOT
from bot.states import OPEN, TaskState
from store import mirror
from store import tasks as stored
from store.transaction import Row, Tx

# GitHub's reason for a closed issue, to the task's state.
CLOSED_AS: dict[str | None, TaskState] = {"not_planned": "cancelled", "duplicate": "cancelled"}


async def issue_changed(tx: Tx, row: Row, before: Row | None) -> None:
    """An issue's mirrored row is new: make, close, reopen or rename its task."""
    installation_id = row["installation_id"]
    task = await stored.of_issue(tx, installation_id, row["id"])
    task = task and await stored.locked(tx, installation_id, task["id"])
    gone = row["deleted"] or row["state"] == "closed"
    if task is None:
        if not gone and await _is_asked_for(tx, row):
            await stored.create(
                tx,
                installation_id,
                repository_id=row["repository_id"],
                issue_id=row["id"],
                number=row["number"],
                title=row["title"],
            )
            tx.rings.add(f"installation {installation_id}")
        return
    if (task["title"], task["number"]) != (row["title"], row["number"]):
        await stored.change(
            tx, installation_id, task["id"], title=row["title"], number=row["number"]
        )
    was_gone = before is not None and (before["deleted"] or before["state"] == "closed")
    if gone and not was_gone:
        to = "cancelled" if row["deleted"] else CLOSED_AS.get(row["state_reason"], "completed")
        if task["state"] in OPEN:
            await tasks.move(tx, task, to, BOT, "the issue was closed")
    elif was_gone and not gone and task["state"] not in OPEN:
        await tasks.move(tx, task, "pending", BOT, "the issue was reopened")


async def _is_asked_for(tx: Tx, row: Row) -> bool:
    """An issue with the repository's task label."""
    if row["is_pull_request"] or row["labels"] == "[]":
        return False
    settings = await repository_settings.of(tx, row["installation_id"], row["repository_id"])
    return carries(row["labels"], settings.task_label)


def carries(labels: str, label: str) -> bool:
    """Whether it is among the labels of a mirrored issue. To GitHub, case is the same."""
    return label.casefold() in (each.casefold() for each in json.loads(labels))


async def pull_changed(tx: Tx, row: Row) -> None:
    """A PR's mirrored row is new: a merge completes its task."""
    if not row["merged"]:
        return
    here = (row["installation_id"], row["repository_id"])
    for found in await stored.of_pull(tx, *here, row["number"]):
        task = await stored.locked(tx, row["installation_id"], found["id"])
        if task is not None and task["state"] in OPEN:
            await tasks.move(
                tx, task, "completed", BOT, f"pull request #{row['number']} was merged"
            )


async def not_written(tx: Tx, write: Row, why: str) -> None:
    """What a write that will not take effect means for its task."""
    installation_id, task_id = write["installation_id"], write["task_id"]
    task = await stored.locked(tx, installation_id, task_id) if task_id else None
    if task is None:
        return
    if write["kind"] == "issue" and task["number"] is None:
        await stored.change(tx, installation_id, task_id, note=f"It has no issue: {why}")
        await tasks.move(tx, task, "failed", BOT, "its issue could not be made")
    card = task["card_comment_id"]
    if write["kind"] == "card" and await mirror.is_deleted(tx, "comments", installation_id, card):
        # Somebody deleted it: the next change makes a new one. A 404 alone may as well mean
        # that the App could not see it for a while.
        await stored.change(tx, installation_id, task_id, card_comment_id=None)
