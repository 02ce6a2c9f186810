"""The last valid settings of each repository's `.github/hubbub.yml`, and its current problem."""

from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.mirror.board_syncs import BoardSyncKey
from store.tables.mirror import RepositorySettingsRow

COLUMNS = (
    "installation_id",
    "repository_id",
    "settings",
    "sha",
    "problem",
    "problem_sha",
    "read_at",
    "narrows",
)
KEY = ("installation_id", "repository_id")


class Narrowing(TypedDict):
    """The settings of a repository that allow less than the permission table."""

    repository_id: int
    settings: str


class OpenIssue(TypedDict):
    """An issue without its text."""

    installation_id: int
    id: int
    repository_id: int
    number: int
    title: str
    state: str
    labels: str
    deleted: int
    is_pull_request: int
    author: str
    author_id: int
    author_association: str


async def get(tx: Tx, installation_id: int, repository_id: int) -> RepositorySettingsRow | None:
    q = "SELECT * FROM repository_settings WHERE installation_id = :i AND repository_id = :r"
    return await tx.one(q, i=installation_id, r=repository_id)


async def lock(tx: Tx, installation_id: int, repository_id: int) -> RepositorySettingsRow | None:
    """Lock the settings until this transaction ends, and return them."""
    q = (
        "SELECT * FROM repository_settings WHERE installation_id = :i AND repository_id = :r "
        "FOR UPDATE"
    )
    return await tx.one(q, i=installation_id, r=repository_id)


async def with_unknown_board(tx: Tx, limit: int) -> list[BoardSyncKey]:
    """Repositories whose settings name a board, but that have no row about it."""
    q = (
        "SELECT s.installation_id, s.repository_id FROM repository_settings s "
        "LEFT JOIN board_syncs b ON b.installation_id = s.installation_id "
        "AND b.repository_id = s.repository_id "
        "WHERE s.settings LIKE :board AND b.repository_id IS NULL LIMIT :n"
    )
    return await tx.all(q, board='%"board": {%', n=limit)


async def narrowing(tx: Tx, installation_id: int) -> list[Narrowing]:
    q = (
        "SELECT repository_id, settings FROM repository_settings "
        "WHERE installation_id = :i AND narrows = 1"
    )
    return await tx.all(q, i=installation_id)


async def put(tx: Tx, row: RepositorySettingsRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "repository_settings", COLUMNS, KEY), **row)


async def forget(tx: Tx, installation_id: int, repository_id: int) -> None:
    """Drop the settings, because the file was deleted."""
    q = "DELETE FROM repository_settings WHERE installation_id = :i AND repository_id = :r"
    await tx.run(q, i=installation_id, r=repository_id)


async def open_issues(
    tx: Tx, installation_id: int, repository_id: int, after: int, limit: int
) -> list[OpenIssue]:
    """Those with a number above `after`, in its order; without their texts."""
    return await tx.all(
        "SELECT installation_id, id, repository_id, number, title, state, labels, deleted, "
        "is_pull_request, author, author_id, author_association FROM issues "
        "WHERE installation_id = :i AND repository_id = :r "
        "AND number > :after AND state = 'open' AND is_pull_request = 0 AND deleted = 0 "
        "ORDER BY number LIMIT :n",
        i=installation_id,
        r=repository_id,
        after=after,
        n=limit,
    )
