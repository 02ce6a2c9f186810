"""Snapshots of contexts: the versions that several had at one moment."""

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.contexts import ContextSnapshotRow

COLUMNS = ("installation_id", "id", "name", "author", "at", "members")


async def add(tx: Tx, row: ContextSnapshotRow) -> None:
    """`members`: versions by context id."""
    row = row | {"members": json_text.text(row["members"])}
    await tx.run(sql.insert("context_snapshots", COLUMNS), **row)


async def get(tx: Tx, installation_id: int, snapshot_id: str) -> ContextSnapshotRow | None:
    q = "SELECT * FROM context_snapshots WHERE installation_id = :i AND id = :s"
    row = await tx.one(q, i=installation_id, s=snapshot_id)
    return _decode(row) if row else None


async def page(
    tx: Tx, installation_id: int, author: str | None, before: str, limit: int
) -> list[ContextSnapshotRow]:
    """A page of all snapshots, or of an author's, newest first."""
    where = "" if author is None else "author = :a AND "
    more = {} if author is None else {"a": author}
    rows = await tx.all(
        f"SELECT * FROM context_snapshots WHERE installation_id = :i AND {where}id < :before "
        "ORDER BY id DESC LIMIT :n",
        i=installation_id,
        before=before,
        n=limit,
        **more,
    )
    return [_decode(row) for row in rows]


async def count(tx: Tx, installation_id: int, author: str) -> int:
    q = "SELECT COUNT(*) AS n FROM context_snapshots WHERE installation_id = :i AND author = :a"
    row = await tx.one(q, i=installation_id, a=author)
    return row["n"] if row else 0


def _decode(row: ContextSnapshotRow) -> ContextSnapshotRow:
    return {**row, "members": json_text.value(row["members"])}
