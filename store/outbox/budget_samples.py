"""What was left of each limit over time, sampled at even steps, and writes sent by hour."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.outbox.budgets import HOUR
from store.tables.outbox import BudgetSampleRow

COLUMNS = tuple(BudgetSampleRow.__annotations__)
KEY = ("installation_id", "at", "name")


class SentInHour(TypedDict):
    hour: int
    requests: int


async def put(tx: Tx, rows: Sequence[BudgetSampleRow]) -> None:
    """Store samples, unless another process stored those of this time."""
    if rows:
        await tx.many(sql.insert_new(tx.dialect, "budget_samples", COLUMNS, KEY), rows)


async def newest_at(tx: Tx, installation_id: int) -> int:
    """When the newest sample was taken; 0 if there is none."""
    q = "SELECT MAX(at) AS at FROM budget_samples WHERE installation_id = :i"
    row = await tx.one(q, i=installation_id)
    return int(row["at"] or 0) if row else 0


async def since(
    tx: Tx, installation_id: int, start: int, step: int, limit: int
) -> list[BudgetSampleRow]:
    """Samples after a time, oldest first, only those at whole multiples of `step`."""
    return await tx.all(
        "SELECT * FROM budget_samples WHERE installation_id = :i AND at >= :start "
        "AND at % :step = 0 ORDER BY at, name LIMIT :n",
        i=installation_id,
        start=start,
        step=step,
        n=limit,
    )


async def sent_by_hour(tx: Tx, installation_id: int, start: int) -> list[SentInHour]:
    """How many mutations were sent in each hour since a time."""
    return await tx.all(
        f"SELECT hour, SUM(requests) AS requests FROM "
        f"{sql.by_index(tx.dialect, 'spending', 'PRIMARY')} "
        "WHERE installation_id = :i AND hour >= :h GROUP BY hour ORDER BY hour",
        i=installation_id,
        h=start // HOUR,
    )
