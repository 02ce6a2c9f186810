"""Small facts about the database itself, by name."""

from store import sql
from store.transaction import Tx


async def settle(tx: Tx, name: str, value: str) -> str:
    """Set it if nobody did: the value that holds."""
    new = sql.insert_new(tx.dialect, "facts", ("name", "value"), ("name",))
    await tx.run(new, name=name, value=value)
    row = await tx.one("SELECT value FROM facts WHERE name = :n FOR UPDATE", n=name)
    return str(row["value"]) if row else value
