"""A person's permission on a repository, as GitHub answered a short while ago."""

from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.mirror.stored_repositories import PRESENT, VISIBLE

COLUMNS = (
    "installation_id",
    "repository_id",
    "login_key",
    "permission",
    "fetched_at",
    "person_id",
)
KEY = ("installation_id", "repository_id", "login_key")
FRESH = 5 * 60 * 1_000_000


class KnownPermission(TypedDict):
    repository_id: int
    login_key: str
    person_id: int


class HeldPermission(TypedDict):
    """What a person may do on a repository, under the login that they had then."""

    repository_id: int
    login_key: str
    permission: str
    fetched_at: int
    private: int


async def get(
    tx: Tx, installation_id: int, repository_id: int, login: str, person_id: int
) -> str | None:
    """GitHub's role name, `none` for a stranger; None when it must be fetched.

    Somebody else may have had the login a minute ago, so the person's id counts too. It is 0 if
    the payload did not have it.
    """
    row = await tx.one(
        "SELECT permission FROM permissions WHERE installation_id = :i AND repository_id = :r "
        "AND login_key = :l AND (person_id = :p OR :p = 0) AND fetched_at > :since",
        i=installation_id,
        r=repository_id,
        l=login.casefold(),
        p=person_id,
        since=await tx.now() - FRESH,
    )
    return row["permission"] if row else None


async def newest_of_login(
    tx: Tx, installation_id: int, repository_id: int, login: str
) -> str | None:
    """The last answer of GitHub, however old; None without one."""
    row = await tx.one(
        "SELECT permission FROM permissions WHERE installation_id = :i AND repository_id = :r "
        "AND login_key = :l",
        i=installation_id,
        r=repository_id,
        l=login.casefold(),
    )
    return row["permission"] if row else None


async def is_of_another_person(
    tx: Tx, installation_id: int, repository_id: int, login: str, person_id: int, since: int
) -> bool:
    """Whether GitHub answered since then that the login is another person's."""
    row = await tx.one(
        "SELECT person_id FROM permissions WHERE installation_id = :i AND repository_id = :r "
        "AND login_key = :l AND fetched_at >= :since",
        i=installation_id,
        r=repository_id,
        l=login.casefold(),
        since=since,
    )
    return row is not None and row["person_id"] != person_id


async def put(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    login: str,
    permission: str,
    person_id: int,
) -> None:
    await tx.run(
        sql.upsert(tx.dialect, "permissions", COLUMNS, KEY),
        installation_id=installation_id,
        repository_id=repository_id,
        login_key=login.casefold(),
        permission=permission,
        fetched_at=await tx.now(),
        person_id=person_id,
    )


async def forget(
    tx: Tx, installation_id: int, repository_id: int | None, login: str | None
) -> None:
    """Drop permissions that may have changed: those of a repository or person, or all."""
    where, more = _stale(repository_id, login)
    await tx.run(f"DELETE FROM permissions WHERE {where}", i=installation_id, **more)


def _stale(repository_id: int | None, login: str | None) -> tuple[str, dict[str, int | str]]:
    where, more = "installation_id = :i", dict[str, int | str]()
    if repository_id is not None:
        where, more = f"{where} AND repository_id = :r", {**more, "r": repository_id}
    if login is not None:
        where, more = f"{where} AND login_key = :l", {**more, "l": login.casefold()}
    return where, more


async def of_person(
    tx: Tx, installation_id: int, person_id: int, since: int
) -> list[HeldPermission]:
    """What GitHub answered about a person since then, the newest last.

    Repositories that the installation no longer covers are left out.
    """
    return await tx.all(
        "SELECT p.repository_id, p.login_key, p.permission, p.fetched_at, r.private "
        "FROM permissions p "
        "JOIN repositories r ON r.installation_id = p.installation_id AND r.id = p.repository_id "
        "WHERE p.installation_id = :i AND p.person_id = :p AND p.fetched_at > :since "
        f"AND {VISIBLE} AND {PRESENT} ORDER BY p.fetched_at",
        i=installation_id,
        p=person_id,
        since=since,
    )


async def stale_people(
    tx: Tx, installation_id: int, repository_id: int | None, login: str | None
) -> list[KnownPermission]:
    """Whose permissions `forget` would drop, as far as they are known people's."""
    where, more = _stale(repository_id, login)
    return await tx.all(
        "SELECT repository_id, login_key, person_id FROM permissions "
        f"WHERE {where} AND person_id <> 0",
        i=installation_id,
        **more,
    )


async def forget_person(tx: Tx, installation_id: int, person_id: int) -> None:
    q = "DELETE FROM permissions WHERE installation_id = :i AND person_id = :p"
    await tx.run(q, i=installation_id, p=person_id)
