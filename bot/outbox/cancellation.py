"""Cancelling queued writes, with what only they need."""

from collections.abc import Sequence
from typing import Any

from bot.outbox import effects
from store.engine.transaction import Tx
from store.outbox import write_cancellation, writes
from store.tables.outbox import WriteRow


def error_of(reason: str) -> dict[str, Any]:
    return {"code": "cancelled", "message": reason, "details": {}}


async def cancel(tx: Tx, row: WriteRow, reason: str, *, author_knows: bool) -> list[str]:
    """Cancel a queued write and what it needs. Return the ids; none if it is not queued.

    `author_knows`: its author gets no notice.
    """
    why = error_of(reason)
    if not await write_cancellation.cancel(tx, row, why, author_knows=author_knows):
        return []
    needed = await _cancel_what_it_needs(tx, row, why)
    await effects.apply_cancellation(tx, row, reason)
    return [row["id"], *needed]


async def cancel_each(tx: Tx, rows: Sequence[WriteRow], reason: str, by: str | None) -> list[str]:
    """Cancel these writes. Return the ids. Each author but `by` gets one notice for all."""
    done: list[str] = []
    notified = {by}
    for row in rows:
        author = row["author"]
        n = sum(each["author"] == author for each in rows) - 1
        others = f" {n} more of yours were cancelled too; list_writes lists them." if n else ""
        author_knows = author in notified
        done += await cancel(
            tx, row, reason + ("" if author_knows else others), author_knows=author_knows
        )
        notified.add(author)
    return done


async def _cancel_what_it_needs(tx: Tx, row: WriteRow, why: dict[str, Any]) -> list[str]:
    """Cancel the branch and the first commit that were queued together with the pull request."""
    here, opened = (tx, row["installation_id"]), row["arguments"].get("opened", [])
    commits = await writes.waiting(*here, row["target"], "commit")
    if {each["arguments"].get("after") for each in commits} & set(opened):
        return []  # other writes need them
    found = [await writes.get(*here, write_id) for write_id in opened]
    return [
        each["id"]
        for each in found
        if each and await write_cancellation.cancel(tx, each, why, author_knows=True)
    ]
