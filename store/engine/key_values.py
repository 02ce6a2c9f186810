"""Key-value pairs about the database itself."""

from store.engine import sql
from store.engine.transaction import Tx


async def get(tx: Tx, name: str) -> str | None:
    row = await tx.one("SELECT value FROM facts WHERE name = :n", n=name)
    return str(row["value"]) if row else None


async def put(tx: Tx, name: str, value: str) -> None:
    statement = sql.upsert(tx.dialect, "facts", ("name", "value"), ("name",))
    await tx.run(statement, name=name, value=value)


async def put_if_absent(tx: Tx, name: str, value: str) -> str:
    """Store the value unless the name has one. Return the stored value."""
    new = sql.insert_new(tx.dialect, "facts", ("name", "value"), ("name",))
    await tx.run(new, name=name, value=value)
    row = await tx.one("SELECT value FROM facts WHERE name = :n FOR UPDATE", n=name)
    return str(row["value"]) if row else value
