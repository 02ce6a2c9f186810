"""Deliveries that are in GitHub's log but not in the inbox."""

from collections.abc import Sequence
from itertools import groupby
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.inbox import LostDeliveryRow

KEY = ("installation_id", "guid")
COLUMNS = (
    *KEY,
    "delivery_id",
    "repository_id",
    "event",
    "action",
    "delivered_at",
    "not_before",
)


class LoggedDelivery(TypedDict):
    """An entry of GitHub's log of deliveries."""

    installation_id: int
    guid: str
    delivery_id: int
    repository_id: int | None
    event: str
    action: str
    delivered_at: int


class DeliveryInfo(TypedDict):
    """A delivery without its payload."""

    installation_id: int
    guid: str
    event: str
    action: str
    repository_id: int | None
    state: str
    outcome: str | None
    attempts: int
    error: str | None
    received_at: int
    processed_at: int | None


async def record(tx: Tx, logged: Sequence[LoggedDelivery], not_before: int) -> int:
    """Store the deliveries that the inbox lacks. Return how many are new.

    `logged`: rows of GitHub's log, with the columns of `lost_deliveries`; several may be attempts
    of one delivery.
    """
    news = 0
    rows = sorted(logged, key=lambda row: row["installation_id"])
    for installation_id, group in groupby(rows, key=lambda row: row["installation_id"]):
        by_guid: dict[str, LoggedDelivery] = {}
        for row in sorted(group, key=lambda row: row["delivered_at"], reverse=True):
            by_guid[row["guid"]] = row  # the first attempt stays: it says since when
        known = await _known_guids(tx, installation_id, tuple(by_guid))
        new = [
            {**row, "not_before": not_before} for guid, row in by_guid.items() if guid not in known
        ]
        if new:
            await tx.many(sql.insert_new(tx.dialect, "lost_deliveries", COLUMNS, KEY), new)
        news += len(new)
    return news


async def _known_guids(tx: Tx, installation_id: int, guids: tuple[str, ...]) -> set[str]:
    """Also those whose payload named no installation: they are kept under 0."""
    found = set()
    for table in ("deliveries", "lost_deliveries"):
        q = f"SELECT guid FROM {table} WHERE installation_id IN :i AND guid IN :guids"
        rows = await tx.all(q, i=(installation_id, 0), guids=guids)
        found |= {row["guid"] for row in rows}
    return found


async def due(tx: Tx) -> LostDeliveryRow | None:
    """The next deliveries to request, oldest first, of all installations."""
    q = (
        "SELECT * FROM lost_deliveries WHERE not_before <= :now "
        "ORDER BY not_before, delivered_at LIMIT 1"
    )
    return await tx.one(q, now=await tx.now())


async def next_at(tx: Tx) -> int | None:
    row = await tx.one("SELECT MIN(not_before) AS at FROM lost_deliveries")
    return row["at"] if row else None


async def record_request(
    tx: Tx, row: LostDeliveryRow, not_before: int, error: str | None = None
) -> None:
    """Record a request for redelivery, and when to try again."""
    await tx.run(
        "UPDATE lost_deliveries SET attempts = attempts + 1, not_before = :at, error = :error "
        "WHERE installation_id = :i AND guid = :g",
        at=not_before,
        error=error and error[:4000],
        i=row["installation_id"],
        g=row["guid"],
    )


async def remove(tx: Tx, installation_id: int, guids: Sequence[str]) -> None:
    """Remove deliveries that arrived or never will."""
    await tx.run(
        "DELETE FROM lost_deliveries WHERE installation_id = :i AND guid IN :guids",
        i=installation_id,
        guids=tuple(guids),
    )


async def newest(tx: Tx, limit: int) -> list[DeliveryInfo]:
    """The newest missed deliveries, with the columns of `deliveries.newest`."""
    return await tx.all(
        "SELECT installation_id, guid, event, action, repository_id, 'lost' AS state, "
        "NULL AS outcome, attempts, error, delivered_at AS received_at, NULL AS processed_at "
        "FROM lost_deliveries ORDER BY delivered_at DESC, guid LIMIT :n",
        n=limit,
    )


async def count(tx: Tx) -> int:
    row = await tx.one("SELECT COUNT(*) AS n FROM lost_deliveries")
    return int(row["n"]) if row else 0
