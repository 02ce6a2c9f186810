"""What GitHub said may still be spent, by installation and resource."""

from store import sql
from store.transaction import Row, Tx

COLUMNS = (
    "installation_id",
    "resource",
    "limit_",
    "remaining",
    "used",
    "reset_at",
    "blocked_until",
    "failures",
    "recorded_at",
)


async def all_of(tx: Tx, installation_id: int) -> list[Row]:
    return await tx.all("SELECT * FROM budgets WHERE installation_id = :i", i=installation_id)


async def put(tx: Tx, row: Row) -> None:
    statement = sql.upsert(tx.dialect, "budgets", COLUMNS, ("installation_id", "resource"))
    await tx.run(statement, **row | {"recorded_at": await tx.now()})
