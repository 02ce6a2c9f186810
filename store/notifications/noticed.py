"""What needed a person at the last look, and when the next look is due."""

from collections.abc import Collection
from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.notifications import NoticedItemRow

COLUMNS = tuple(NoticedItemRow.__annotations__)
# Of one installation: the newest of each kind, and those that were among them before.
MOST = 5000


async def due(tx: Tx, limit: int) -> list[int]:
    """The installations to look at, of all."""
    rows = await tx.all(
        "SELECT installation_id FROM notification_sweeps WHERE due_at <= :now "
        "ORDER BY due_at LIMIT :n",
        now=await tx.now(),
        n=limit,
    )
    return [row["installation_id"] for row in rows]


async def begin_look(tx: Tx, installation_id: int, due_at: int) -> bool:
    """Take the look that is due, and set the next one. False if another process has taken it."""
    return bool(
        await tx.run(
            "UPDATE notification_sweeps SET due_at = :next WHERE installation_id = :i "
            "AND due_at <= :now",
            next=due_at,
            i=installation_id,
            now=await tx.now(),
        )
    )


async def known_keys(tx: Tx, installation_id: int, keys: Collection[str]) -> set[str]:
    """Those of the keys that were noticed before."""
    if not keys:
        return set()
    q = "SELECT item_key FROM noticed_items WHERE installation_id = :i AND item_key IN :keys"
    rows = await tx.all(q, i=installation_id, keys=tuple(sorted(keys)))
    return {row["item_key"] for row in rows}


async def newest(tx: Tx, installation_id: int) -> list[NoticedItemRow]:
    """What was noticed before, at most `MOST`. The rest has its turn when these are over."""
    q = "SELECT * FROM noticed_items WHERE installation_id = :i ORDER BY began DESC LIMIT :n"
    return [_decode(row) for row in await tx.all(q, i=installation_id, n=MOST)]


async def add(tx: Tx, rows: Collection[NoticedItemRow]) -> None:
    encoded = [{**row, "item": json_text.text(row["item"])} for row in rows]
    if encoded:
        await tx.many(sql.insert("noticed_items", COLUMNS), encoded)


async def remove(tx: Tx, installation_id: int, keys: Collection[str]) -> None:
    if keys:
        q = "DELETE FROM noticed_items WHERE installation_id = :i AND item_key IN :keys"
        await tx.run(q, i=installation_id, keys=tuple(sorted(keys)))


def _decode(row: Any) -> NoticedItemRow:
    row = row | {"item": json_text.value(row["item"])}
    found: NoticedItemRow = row
    return found
