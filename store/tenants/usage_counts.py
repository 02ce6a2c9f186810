"""What installations used, by day: counted from their events and from the totals of agents."""

from collections.abc import Mapping
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.tenants import TenantCursorRow

CURSOR = ("installation_id", "seq", "calls", "stored_bytes", "tool_call")


class Happened(TypedDict):
    seq: int
    kind: str
    at: int


class CalledTool(TypedDict):
    id: str
    at: int


class Totals(TypedDict):
    """Of all agents that an installation ever had."""

    calls: int
    stored_bytes: int


async def behind(tx: Tx, limit: int) -> list[int]:
    """Installations that have events which are not counted yet."""
    rows = await tx.all(
        "SELECT h.installation_id FROM heads h LEFT JOIN tenant_cursors c "
        "ON c.installation_id = h.installation_id "
        "WHERE h.installation_id > 0 AND (c.seq IS NULL OR h.seq > c.seq) LIMIT :n",
        n=limit,
    )
    return [row["installation_id"] for row in rows]


async def lock_cursor(tx: Tx, installation_id: int) -> TenantCursorRow:
    """Lock how far an installation is counted. Another process waits meanwhile."""
    await tx.run(
        sql.insert_new(tx.dialect, "tenant_cursors", CURSOR, CURSOR[:1]),
        installation_id=installation_id,
        seq=0,
        calls=0,
        stored_bytes=0,
        tool_call="",
    )
    row: TenantCursorRow | None = await tx.one(
        "SELECT * FROM tenant_cursors WHERE installation_id = :i FOR UPDATE", i=installation_id
    )
    assert row is not None
    return row


async def move_cursor(tx: Tx, row: TenantCursorRow) -> None:
    await tx.run(
        "UPDATE tenant_cursors SET seq = :seq, calls = :calls, stored_bytes = :stored_bytes, "
        "tool_call = :tool_call WHERE installation_id = :installation_id",
        **row,
    )


async def head(tx: Tx, installation_id: int) -> int:
    row = await tx.one("SELECT seq FROM heads WHERE installation_id = :i", i=installation_id)
    return row["seq"] if row else 0


async def events_between(
    tx: Tx, installation_id: int, after: int, upto: int, limit: int
) -> list[Happened]:
    return await tx.all(
        "SELECT seq, kind, at FROM events WHERE installation_id = :i AND seq > :after "
        "AND seq <= :upto ORDER BY seq LIMIT :n",
        i=installation_id,
        after=after,
        upto=upto,
        n=limit,
    )


async def tool_calls_between(
    tx: Tx, installation_id: int, after: str, before: str, limit: int
) -> list[CalledTool]:
    return await tx.all(
        "SELECT id, at FROM tool_calls WHERE installation_id = :i AND id > :after "
        "AND id < :before ORDER BY id LIMIT :n",
        i=installation_id,
        after=after,
        before=before,
        n=limit,
    )


async def totals(tx: Tx, installation_id: int) -> Totals:
    row = await tx.one(
        "SELECT COALESCE(SUM(calls), 0) AS calls, COALESCE(SUM(stored_bytes), 0) AS stored_bytes "
        "FROM agents WHERE installation_id = :i",
        i=installation_id,
    )
    assert row is not None
    return {"calls": int(row["calls"]), "stored_bytes": int(row["stored_bytes"])}


async def add(tx: Tx, installation_id: int, day: int, counts: Mapping[str, int]) -> None:
    for name, n in sorted(counts.items()):
        key = {"i": installation_id, "day": day, "name": name}
        where = "installation_id = :i AND day = :day AND name = :name"
        if not await tx.run(f"UPDATE tenant_counts SET n = n + :n WHERE {where}", n=n, **key):
            await tx.run(
                "INSERT INTO tenant_counts (installation_id, day, name, n) "
                "VALUES (:i, :day, :name, :n)",
                n=n,
                **key,
            )


async def between(tx: Tx, installation_id: int, first: int, last: int) -> dict[int, dict[str, int]]:
    """The counts of each day from `first` to `last`, both included."""
    rows = await tx.all(
        "SELECT day, name, n FROM tenant_counts WHERE installation_id = :i "
        "AND day BETWEEN :first AND :last ORDER BY day, name",
        i=installation_id,
        first=first,
        last=last,
    )
    found: dict[int, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["day"], {})[row["name"]] = row["n"]
    return found


async def spend_between(
    tx: Tx, installation_id: int, first: int, last: int
) -> dict[int, dict[str, int]]:
    """What agents reported on each day, in millionths, by currency."""
    rows = await tx.all(
        "SELECT day, currency, cost FROM usage_sums WHERE installation_id = :i "
        "AND scope = 'installation' AND subject = '' AND day BETWEEN :first AND :last "
        "ORDER BY day, currency",
        i=installation_id,
        first=first,
        last=last,
    )
    found: dict[int, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["day"], {})[row["currency"]] = row["cost"]
    return found
