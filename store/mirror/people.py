"""People by GitHub's id. A login may change, and then somebody else may take it."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.mirror import PersonRow

COLUMNS = ("installation_id", "id", "login", "login_key")
KEY = ("installation_id", "id")


async def get(tx: Tx, installation_id: int, person_id: int) -> PersonRow | None:
    q = "SELECT * FROM people WHERE installation_id = :i AND id = :id"
    return await tx.one(q, i=installation_id, id=person_id)


async def with_login(tx: Tx, installation_id: int, login: str) -> PersonRow | None:
    """The person who had that login last, in any letter case."""
    q = "SELECT * FROM people WHERE installation_id = :i AND login_key = :l"
    return await tx.one(q, i=installation_id, l=login.casefold())


async def put(tx: Tx, installation_id: int, person_id: int, login: str) -> None:
    await tx.run(
        sql.upsert(tx.dialect, "people", COLUMNS, KEY),
        installation_id=installation_id,
        id=person_id,
        login=login,
        login_key=login.casefold(),
    )
