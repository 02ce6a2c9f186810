"""The repositories that the mirror has."""

from collections.abc import Collection, Sequence
from typing import TypedDict

from store.engine import reach
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.tables.mirror import RepositoryRow


async def lock_repository(tx: Tx, installation_id: int, repository_id: int) -> None:
    """Lock the repository, so that changes to its mirror wait for each other."""
    q = "SELECT id FROM repositories WHERE installation_id = :i AND id = :r FOR UPDATE"
    await tx.one(q, i=installation_id, r=repository_id)


async def mark_repository_gone(
    tx: Tx, installation_id: int, repository_id: int, *, gone: bool
) -> None:
    """Set since when the repository is deleted, or clear it."""
    await tx.run(
        "UPDATE repositories SET gone_at = :at WHERE installation_id = :i AND id = :r",
        at=await tx.now() if gone else None,
        i=installation_id,
        r=repository_id,
    )


async def select_repository(tx: Tx, installation_id: int, repository_id: int, on: int) -> None:
    await tx.run(
        "UPDATE repositories SET selected = :on WHERE installation_id = :i AND id = :r",
        on=on,
        i=installation_id,
        r=repository_id,
    )


# Conditions on a row of `repositories` that a query names `r`: the installation covers it, and
# GitHub serves the installation.
VISIBLE = "r.deleted = 0 AND r.selected = 1"
PRESENT_OF_ALL = (
    "NOT EXISTS (SELECT 1 FROM installations n WHERE n.installation_id = r.installation_id "
    "AND (n.deleted = 1 OR n.suspended_at IS NOT NULL))"
)
# The same in a query of one installation, `:i`: asked once, and not for each row.
PRESENT = PRESENT_OF_ALL.replace("r.installation_id", ":i")


class RepositoryName(TypedDict):
    installation_id: int
    id: int
    full_name: str


class InstalledRepository(TypedDict):
    installation_id: int
    default_branch: str
    # Of the installation.
    suspended_at: int | None


async def installed_repository(
    tx: Tx, repository_id: int, owner_id: int
) -> InstalledRepository | None:
    """A repository that an installation on its owner covers, whatever the installation."""
    return await tx.one(
        "SELECT r.installation_id, r.default_branch, n.suspended_at FROM installations n "
        "JOIN repositories r ON r.installation_id = n.installation_id AND r.id = :r "
        f"WHERE n.account_id = :owner AND n.deleted = 0 AND {VISIBLE} AND r.gone_at IS NULL "
        "ORDER BY n.suspended_at IS NOT NULL, r.installation_id DESC LIMIT 1",
        r=repository_id,
        owner=owner_id,
    )


async def present_repositories(tx: Tx) -> list[RepositoryName]:
    """The repositories of all installations."""
    return await tx.all(
        "SELECT r.installation_id, r.id, r.full_name FROM repositories r "
        f"WHERE {VISIBLE} AND {PRESENT_OF_ALL}"
    )


async def repository(
    tx: Tx, installation_id: int, full_name: str, repositories: Reach = None
) -> RepositoryRow | None:
    """A repository by name in any letter case. None if the installation does not cover it.

    `repositories`: those within reach.
    """
    q = (
        "SELECT r.* FROM repositories r WHERE r.installation_id = :i AND r.full_name_key = :n "
        f"AND {VISIBLE} AND {PRESENT}{reach.within(repositories, 'r.id')}"
    )
    key = full_name.casefold()
    return await tx.one(q, i=installation_id, n=key, **reach.parameters(repositories))


async def repository_by_id(
    tx: Tx, installation_id: int, repository_id: int, repositories: Reach = None
) -> RepositoryRow | None:
    q = (
        "SELECT r.* FROM repositories r WHERE r.installation_id = :i AND r.id = :r "
        f"AND {VISIBLE} AND {PRESENT}{reach.within(repositories, 'r.id')}"
    )
    return await tx.one(q, i=installation_id, r=repository_id, **reach.parameters(repositories))


async def visible_ids(tx: Tx, installation_id: int, ids: Collection[int]) -> set[int]:
    """Those of them that the installation covers and that GitHub serves."""
    q = (
        "SELECT r.id FROM repositories r WHERE r.installation_id = :i AND r.id IN :ids "
        f"AND {VISIBLE} AND {PRESENT}"
    )
    return {row["id"] for row in await tx.all(q, i=installation_id, ids=tuple(ids))}


async def repository_ids(tx: Tx, installation_id: int) -> list[int]:
    q = "SELECT id FROM repositories WHERE installation_id = :i AND deleted = 0"
    return [row["id"] for row in await tx.all(q, i=installation_id)]


async def namesakes(
    tx: Tx, installation_id: int, full_name_key: str, repository_id: int
) -> list[int]:
    """The other repositories that the mirror has under a name."""
    q = (
        "SELECT id FROM repositories WHERE installation_id = :i AND full_name_key = :name "
        "AND id <> :r AND deleted = 0"
    )
    rows = await tx.all(q, i=installation_id, name=full_name_key, r=repository_id)
    return [row["id"] for row in rows]


async def selected_repository_ids(tx: Tx, installation_id: int) -> list[int]:
    q = "SELECT id FROM repositories WHERE installation_id = :i AND deleted = 0 AND selected = 1"
    return [row["id"] for row in await tx.all(q, i=installation_id)]


async def names(
    tx: Tx, installation_id: int, ids: Sequence[int], limit: int
) -> list[RepositoryName]:
    """The names of these repositories, by name."""
    return await tx.all(
        "SELECT installation_id, id, full_name FROM repositories "
        "WHERE installation_id = :i AND id IN :ids ORDER BY full_name LIMIT :n",
        i=installation_id,
        ids=tuple(ids),
        n=limit,
    )


async def repository_name(tx: Tx, installation_id: int, repository_id: int) -> str | None:
    """The current name, also of a repository that the installation no longer covers."""
    q = "SELECT full_name FROM repositories WHERE installation_id = :i AND id = :r"
    row = await tx.one(q, i=installation_id, r=repository_id)
    return row["full_name"] if row else None
