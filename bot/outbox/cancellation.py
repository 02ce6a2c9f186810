"""Cancelling queued writes, with what follows."""

from collections.abc import Sequence
from typing import Any

from bot.outbox import effects
from store.engine.transaction import Tx
from store.outbox import write_cancellation
from store.tables.outbox import WriteRow


def error_of(reason: str) -> dict[str, Any]:
    return {"code": "cancelled", "message": reason, "details": {}}


async def cancel(tx: Tx, row: WriteRow, reason: str, *, author_knows: bool) -> list[str]:
    """Cancel a queued write. Return its id in a list; an empty one if it is not queued.

    `author_knows`: its author gets no notice.
    """
    why = error_of(reason)
    if not await write_cancellation.cancel(tx, row, why, author_knows=author_knows):
        return []
    await effects.apply_cancellation(tx, row, reason)
    return [row["id"]]


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
