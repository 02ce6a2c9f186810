"""What `.github/hubbub.yml` of a repository said when it was last right, and what is wrong now."""

from store.engine import sql
from store.engine.transaction import Row, Tx

COLUMNS = (
    "installation_id",
    "repository_id",
    "settings",
    "sha",
    "problem",
    "problem_sha",
    "read_at",
)
KEY = ("installation_id", "repository_id")


async def get(tx: Tx, installation_id: int, repository_id: int) -> Row | None:
    q = "SELECT * FROM repository_settings WHERE installation_id = :i AND repository_id = :r"
    return await tx.one(q, i=installation_id, r=repository_id)


async def put(tx: Tx, row: Row) -> None:
    await tx.run(sql.upsert(tx.dialect, "repository_settings", COLUMNS, KEY), **row)


async def forget(tx: Tx, installation_id: int, repository_id: int) -> None:
    """The file is gone."""
    q = "DELETE FROM repository_settings WHERE installation_id = :i AND repository_id = :r"
    await tx.run(q, i=installation_id, r=repository_id)


async def open_issues(
    tx: Tx, installation_id: int, repository_id: int, after: int, limit: int
) -> list[Row]:
    """Those with a number above `after`, in its order; without their texts."""
    return await tx.all(
        "SELECT installation_id, id, repository_id, number, title, state, labels, deleted, "
        "is_pull_request FROM issues WHERE installation_id = :i AND repository_id = :r "
        "AND number > :after AND state = 'open' AND is_pull_request = 0 AND deleted = 0 "
        "ORDER BY number LIMIT :n",
        i=installation_id,
        r=repository_id,
        after=after,
        n=limit,
    )
