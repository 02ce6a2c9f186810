"""Where transferred issues are now: from (repository_id, number) to the new pair."""

from typing import TypeAlias

from store.engine import sql
from store.engine.transaction import Tx

Place: TypeAlias = tuple[int, int]
KEY = ("installation_id", "repository_id", "number")
COLUMNS = (*KEY, "new_repository_id", "new_number")


async def get(tx: Tx, installation_id: int, old: Place) -> Place | None:
    row = await tx.one(
        "SELECT new_repository_id, new_number FROM transfers WHERE installation_id = :i "
        "AND repository_id = :r AND number = :n",
        i=installation_id,
        r=old[0],
        n=old[1],
    )
    return (row["new_repository_id"], row["new_number"]) if row else None


async def put(tx: Tx, installation_id: int, old: Place, new: Place) -> None:
    """Store a transfer once, because GitHub gives a number to one issue only."""
    await tx.run(
        sql.insert_new(tx.dialect, "transfers", COLUMNS, KEY),
        installation_id=installation_id,
        repository_id=old[0],
        number=old[1],
        new_repository_id=new[0],
        new_number=new[1],
    )
