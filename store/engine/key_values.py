"""Key-value pairs about the database itself, and about one installation."""

from store.engine import sql
from store.engine.transaction import Tx

# Of an installation.
COLUMNS = ("installation_id", "name", "value")
KEY = ("installation_id", "name")


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


async def get_of(tx: Tx, installation_id: int, name: str) -> str | None:
    row = await tx.one(
        "SELECT value FROM installation_facts WHERE installation_id = :i AND name = :n",
        i=installation_id,
        n=name,
    )
    return str(row["value"]) if row else None


async def put_of(tx: Tx, installation_id: int, name: str, value: str) -> None:
    statement = sql.upsert(tx.dialect, "installation_facts", COLUMNS, KEY)
    await tx.run(statement, installation_id=installation_id, name=name, value=value)


async def lock_of(tx: Tx, installation_id: int, name: str) -> None:
    """Lock a name of an installation until the transaction ends, whether it has a value or not."""
    new = sql.insert_new(tx.dialect, "installation_facts", COLUMNS, KEY)
    await tx.run(new, installation_id=installation_id, name=name, value="")
