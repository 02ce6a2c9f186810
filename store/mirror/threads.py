"""The texts of an issue or pull request."""

from collections.abc import Collection
from typing import Literal, NotRequired, TypeAlias, TypedDict

from store.engine.transaction import Tx
from store.mirror import search_index

# By table: when a text was written, the same as `search_index.written_at`.
TIMES = {
    "comments": "created_at",
    "reviews": "COALESCE(submitted_at, updated_at)",
    "review_comments": "created_at",
}
# By table: the rows that have a text. A review may have only comments on lines.
HAS_TEXT = {
    "comments": "deleted = 0",
    "reviews": "deleted = 0 AND NOT (body = '' AND state = 'commented')",
    "review_comments": "deleted = 0",
}


TextKind: TypeAlias = Literal["opening", "comment", "review", "review_comment"]


class ThreadRow(TypedDict):
    """A text of a thread, from any of the tables. The last columns exist in some tables only."""

    kind: TextKind
    id: int
    author: str
    author_id: int
    author_association: str
    body: str
    updated_at: int
    created_at: NotRequired[int]
    submitted_at: NotRequired[int | None]
    state: NotRequired[str]
    path: NotRequired[str]
    line: NotRequired[int | None]
    diff_hunk: NotRequired[str]
    review_id: NotRequired[int | None]
    in_reply_to_id: NotRequired[int | None]


class PlacedText(ThreadRow):
    """A text with its issue or pull request."""

    repository_id: int
    number: int


async def newest(
    tx: Tx, installation_id: int, repository_id: int, number: int, limit: int
) -> list[ThreadRow]:
    """The newest texts: up to `limit` of each kind, in no order."""
    found: list[ThreadRow] = []
    for table, kind in search_index.PARTS.items():
        rows = await tx.all(
            f"SELECT * FROM {table} WHERE installation_id = :i AND repository_id = :r "
            f"AND number = :n AND {HAS_TEXT[table]} ORDER BY {TIMES[table]} DESC, id DESC "
            "LIMIT :limit",
            i=installation_id,
            r=repository_id,
            n=number,
            limit=limit,
        )
        found += [row | {"kind": kind} for row in rows]
    return found


async def count(tx: Tx, installation_id: int, repository_id: int, number: int) -> int:
    total = 0
    for table in search_index.PARTS:
        row = await tx.one(
            f"SELECT COUNT(*) AS n FROM {table} WHERE installation_id = :i "
            f"AND repository_id = :r AND number = :n AND {HAS_TEXT[table]}",
            i=installation_id,
            r=repository_id,
            n=number,
        )
        total += int(row["n"]) if row else 0
    return total


async def askers(tx: Tx, installation_id: int, kind: str, ids: list[int]) -> set[str]:
    """The people whose texts of that kind contain a command."""
    rows = await tx.all(
        "SELECT DISTINCT asker FROM commands WHERE installation_id = :i "
        "AND source_kind = :kind AND source_id IN :ids",
        i=installation_id,
        kind=kind,
        ids=ids,
    )
    return {row["asker"].casefold() for row in rows}


class WrittenText(TypedDict):
    body: str
    updated_at: int
    version: str


async def written_text(tx: Tx, table: str, installation_id: int, id_: int) -> WrittenText | None:
    """The body of a row that GitHub has not deleted."""
    q = (
        f"SELECT body, updated_at, version FROM {table} WHERE installation_id = :i AND id = :id "
        "AND deleted = 0"
    )
    return await tx.one(q, i=installation_id, id=id_)


async def text_row(tx: Tx, kind: TextKind, installation_id: int, id_: int) -> PlacedText | None:
    """A comment or review that GitHub has not deleted."""
    (table,) = (table for table, its in search_index.PARTS.items() if its == kind)
    q = f"SELECT * FROM {table} WHERE installation_id = :i AND id = :id AND deleted = 0"
    return await tx.one(q, i=installation_id, id=id_)


async def resolved_threads(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> set[int]:
    """The first comments of the review threads that somebody resolved."""
    q = (
        "SELECT comment_id FROM review_threads WHERE installation_id = :i "
        "AND repository_id = :r AND number = :n AND resolved = 1 AND deleted = 0"
    )
    rows = await tx.all(q, i=installation_id, r=repository_id, n=number)
    return {row["comment_id"] for row in rows}


async def node_ids(
    tx: Tx, installation_id: int, repository_id: int, number: int, first_comments: Collection[int]
) -> dict[int, str]:
    """The node ids of these threads by their first comments, as far as the mirror knows them."""
    rows = await tx.all(
        "SELECT comment_id, node_id FROM review_threads WHERE installation_id = :i "
        "AND repository_id = :r AND number = :n AND comment_id IN :ids AND deleted = 0",
        i=installation_id,
        r=repository_id,
        n=number,
        ids=tuple(first_comments),
    )
    return {row["comment_id"]: row["node_id"] for row in rows}


class ThreadComment(TypedDict):
    id: int
    in_reply_to_id: int | None


async def review_comments(
    tx: Tx, installation_id: int, repository_id: int, number: int, comment_ids: Collection[int]
) -> list[ThreadComment]:
    """Those of the comments that are on lines of this pull request."""
    return await tx.all(
        "SELECT id, in_reply_to_id FROM review_comments WHERE installation_id = :i "
        "AND repository_id = :r AND number = :n AND id IN :ids AND deleted = 0",
        i=installation_id,
        r=repository_id,
        n=number,
        ids=tuple(comment_ids),
    )
