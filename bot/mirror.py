"""Brings what a delivery, or a read, says into the mirror, with all that follows from it."""

from collections.abc import Callable

from bot import markers, tasks
from bot.events import Ask, Changes, ask_repository
from bot.keys import Keys
from bot.payloads import Mirrored
from store import mirror, pending_reads
from store import tasks as stored
from store.mirror import Put
from store.transaction import Row, Tx


async def apply(tx: Tx, keys: Keys, installation_id: int, changes: Changes) -> None:
    """Upsert the rows, settle ties by reads, move the tasks. Commands are the caller's."""
    for repository_id in sorted(_repositories(changes)):
        await mirror.lock_repository(tx, installation_id, repository_id)
    for row in changes.earlier:
        await _bind(tx, keys, row)
    for each in changes.rows:
        if each.table == "issues":
            await _bind(tx, keys, each.row)
        put = await mirror.put(tx, each.table, each.row)
        if put.tie and each.table in TIES and mirror.has_time(each.row["version"]):
            ask = TIES[each.table](each.row)
            await pending_reads.ask(tx, installation_id, ask.kind, ask.subject, ask.arguments)
        if put.won:
            await _follow(tx, each, put)
    for repository_id, on in changes.selected:
        await mirror.select_repository(tx, installation_id, repository_id, on)
    for ask in changes.asks:
        await pending_reads.ask(tx, installation_id, ask.kind, ask.subject, ask.arguments)


def _repositories(changes: Changes) -> set[int]:
    """Those whose mirror changes: one transaction at a time for each."""
    named = {row.row["repository_id"] for row in changes.rows if "repository_id" in row.row}
    return named | {row.row["id"] for row in changes.rows if row.table == "repositories"}


async def _follow(tx: Tx, each: Mirrored, put: Put) -> None:
    if each.table == "issues":
        await tasks.issue_changed(tx, each.row, put.before)
    elif each.table == "pull_requests":
        await tasks.pull_changed(tx, each.row)


async def _bind(tx: Tx, keys: Keys, row: Row) -> None:
    """Our own issue came back: it belongs to the task that asked for it.

    Also by a text that is not the newest: somebody may have edited the mark away at once.
    """
    for marker in markers.find(keys, row["body"], row["author"]):
        if marker.kind == "task":
            here = (row["repository_id"], row["id"], row["number"])
            await stored.bind(tx, row["installation_id"], marker.id, *here)


# Two contents of one second: what to ask GitHub. Labels are read with each of their events.
TIES: dict[str, Callable[[Row], Ask]] = {
    "installations": lambda row: Ask(
        "installation", "", {"installation_id": row["installation_id"]}
    ),
    "repositories": lambda row: ask_repository("repository", row["id"]),
    "milestones": lambda row: ask_repository("milestones", row["repository_id"]),
    "issues": lambda row: ask_numbered("issue", row, row["number"]),
    "comments": lambda row: ask_numbered("comment", row, row["id"]),
    "pull_requests": lambda row: ask_numbered("pull_request", row, row["number"]),
    "reviews": lambda row: ask_numbered("reviews", row, row["number"]),
    "review_comments": lambda row: ask_numbered("review_comments", row, row["number"]),
}


def ask_numbered(kind: str, row: Row, which: int) -> Ask:
    repository_id = row["repository_id"]
    arguments = {"repository_id": repository_id, "which": which, "number": row["number"]}
    return Ask(kind, f"{repository_id} {which}", arguments)
