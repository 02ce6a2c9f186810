"""Brings what a delivery, or a read, says into the mirror, with all that follows from it."""

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
    for each in changes.rows:
        put = await mirror.put(tx, each.table, each.row)
        if put.tie and (ask := tie(each)):
            await pending_reads.ask(tx, installation_id, ask.kind, ask.subject, ask.arguments)
        if put.won:
            await _follow(tx, keys, each, put)
    for repository_id, on in changes.selected:
        await mirror.select_repository(tx, installation_id, repository_id, on)
    for ask in changes.asks:
        await pending_reads.ask(tx, installation_id, ask.kind, ask.subject, ask.arguments)


async def _follow(tx: Tx, keys: Keys, each: Mirrored, put: Put) -> None:
    if each.table == "issues":
        await _bind(tx, keys, each.row)
        await tasks.issue_changed(tx, each.row, put.before)
    elif each.table == "pull_requests":
        await tasks.pull_changed(tx, each.row)


async def _bind(tx: Tx, keys: Keys, row: Row) -> None:
    """Our own issue came back: it belongs to the task that asked for it."""
    for marker in markers.find(keys, row["body"]):
        if marker.kind == "task":
            await stored.bind(tx, row["installation_id"], marker.id, row["id"], row["number"])


def tie(each: Mirrored) -> Ask | None:
    """Two contents of one second: what to ask GitHub."""
    row = each.row
    match each.table:
        case "issues":
            return ask_numbered("issue", row["repository_id"], row["number"])
        case "pull_requests" | "reviews":
            kind = "pull_request" if each.table == "pull_requests" else "reviews"
            return ask_numbered(kind, row["repository_id"], row["number"])
        case "comments":
            return ask_numbered("comment", row["repository_id"], row["id"], row["number"])
        case "review_comments":
            return ask_numbered("review_comments", row["repository_id"], row["number"])
        case "milestones":
            return ask_repository("milestones", row["repository_id"])
        case "repositories":
            return ask_repository("repository", row["id"])
        case _:
            # Labels are read anyway; an installation says the same in each of its events.
            return None


def ask_numbered(kind: str, repository_id: int, which: int, on: int | None = None) -> Ask:
    return Ask(
        kind,
        f"{repository_id} {which}",
        {"repository_id": repository_id, "which": which, "number": on if on is not None else which},
    )
