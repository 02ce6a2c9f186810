"""Issues and their comments."""

from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.mirror import CommentRow, IssueRow


class ThreadText(TypedDict):
    """What somebody wrote in a thread: the first text of an issue, or a comment."""

    id: int
    author: str
    author_id: int
    author_association: str
    body: str
    created_at: int


async def issue(tx: Tx, installation_id: int, repository_id: int, number: int) -> IssueRow | None:
    """An issue, or a PR's issue, by number."""
    q = (
        "SELECT * FROM issues WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND deleted = 0"
    )
    return await tx.one(q, i=installation_id, r=repository_id, n=number)


async def has_thread(tx: Tx, installation_id: int, repository_id: int, number: int) -> bool:
    """Whether the mirror has an issue or a pull request of this number."""
    q = " UNION ALL ".join(
        f"SELECT 1 AS yes FROM {table} WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND deleted = 0"
        for table in ("issues", "pull_requests")
    )
    return await tx.one(f"{q} LIMIT 1", i=installation_id, r=repository_id, n=number) is not None


async def by_id(tx: Tx, installation_id: int, issue_id: int) -> IssueRow | None:
    q = "SELECT * FROM issues WHERE installation_id = :i AND id = :id AND deleted = 0"
    return await tx.one(q, i=installation_id, id=issue_id)


async def by_node(tx: Tx, installation_id: int, node_id: str) -> IssueRow | None:
    """An issue by GitHub's id for GraphQL, which events of boards have."""
    if not node_id:
        return None
    found = sql.by_index(tx.dialect, "issues", "ix_issues_node")
    q = f"SELECT * FROM {found} WHERE installation_id = :i AND node_id = :n AND deleted = 0"
    return await tx.one(q, i=installation_id, n=node_id)


async def comment(tx: Tx, installation_id: int, comment_id: int) -> CommentRow | None:
    q = "SELECT * FROM comments WHERE installation_id = :i AND id = :id AND deleted = 0"
    return await tx.one(q, i=installation_id, id=comment_id)


async def all_comments(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> list[CommentRow]:
    """All comments, deleted ones too."""
    q = "SELECT * FROM comments WHERE installation_id = :i AND repository_id = :r AND number = :n"
    return await tx.all(q, i=installation_id, r=repository_id, n=number)


async def newest_comments(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    number: int,
    limit: int,
    *,
    deleted: bool = False,
) -> list[ThreadText]:
    """The newest comments of a thread, oldest first. `deleted`: also deleted ones."""
    which = "" if deleted else "AND deleted = 0 "
    of_thread = sql.by_index(tx.dialect, "comments", "ix_comments_number")
    q = (
        f"SELECT {', '.join(ThreadText.__annotations__)} FROM {of_thread} "
        "WHERE installation_id = :i AND repository_id = :r "
        f"AND number = :n {which}ORDER BY created_at DESC, id DESC LIMIT :limit"
    )
    rows = await tx.all(q, i=installation_id, r=repository_id, n=number, limit=limit)
    return rows[::-1]


async def count_comments(tx: Tx, installation_id: int, repository_id: int, number: int) -> int:
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM comments WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND deleted = 0",
        i=installation_id,
        r=repository_id,
        n=number,
    )
    return int(row["n"]) if row else 0
