"""Small facts about the database itself, by name."""

from store.engine import sql
from store.engine.transaction import Tx


async def get(tx: Tx, name: str) -> str | None:
    row = await tx.one("SELECT value FROM facts WHERE name = :n", n=name)
    return str(row["value"]) if row else None


async def put(tx: Tx, name: str, value: str) -> None:
    statement = sql.upsert(tx.dialect, "facts", ("name", "value"), ("name",))
    await tx.run(statement, name=name, value=value)


async def settle(tx: Tx, name: str, value: str) -> str:
    """Set it if nobody did: the value that holds."""
    new = sql.insert_new(tx.dialect, "facts", ("name", "value"), ("name",))
    await tx.run(new, name=name, value=value)
    row = await tx.one("SELECT value FROM facts WHERE name = :n FOR UPDATE", n=name)
    return str(row["value"]) if row else value
