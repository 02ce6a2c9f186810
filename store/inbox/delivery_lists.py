"""Lists of an installation's deliveries, newest first, as people look at them."""

from collections.abc import Collection
from functools import partial

from store.engine import sql
from store.engine.transaction import Tx
from store.inbox.missed_deliveries import DeliveryInfo

# Where a page begins: when the delivery above it came in, and its GUID.
Place = tuple[int, str]
SHOWN = (
    "installation_id, guid, event, action, repository_id, state, outcome, attempts, error, "
    "received_at, processed_at"
)


async def page(
    tx: Tx, installation_id: int, states: Collection[str], before: Place | None, limit: int
) -> list[DeliveryInfo]:
    """The newest deliveries in these states that are older than `before`."""
    part = partial(_page, tx, installation_id, before=before, limit=limit)
    # One query for each state, because the index has the state before the time.
    found = [row for state in states for row in await part(state)]
    found.sort(key=lambda row: (row["received_at"], row["guid"]), reverse=True)
    return found[:limit]


async def _page(
    tx: Tx, installation_id: int, state: str, *, before: Place | None, limit: int
) -> list[DeliveryInfo]:
    older = " AND received_at <= :at AND (received_at < :at OR guid < :guid)" if before else ""
    return await tx.all(
        f"SELECT {SHOWN} FROM {_by_time(tx)} WHERE installation_id = :i AND state = :state{older} "
        "ORDER BY received_at DESC, guid DESC LIMIT :n",
        i=installation_id,
        state=state,
        n=limit,
        **({"at": before[0], "guid": before[1]} if before else {}),
    )


async def count_up_to(tx: Tx, installation_id: int, state: str, most: int) -> int:
    """How many deliveries are in this state, counted up to `most`."""
    row = await tx.one(
        f"SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM {_by_time(tx)} "
        "WHERE installation_id = :i AND state = :state LIMIT :n) some",
        i=installation_id,
        state=state,
        n=most,
    )
    return int(row["n"]) if row else 0


def _by_time(tx: Tx) -> str:
    return sql.by_index(tx.dialect, "deliveries", "ix_deliveries_received")
