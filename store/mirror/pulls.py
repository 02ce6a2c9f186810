"""Links, files, reviews and checks of pull requests."""

from collections.abc import Sequence
from typing import Literal, NotRequired, TypeAlias, TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Row, Tx
from store.tables.builds import CheckRunRow
from store.tables.mirror import PullFilesRow, PullRequestRow, ReviewRow

LINK_KEY = ("installation_id", "repository_id", "pull_number", "issue_repository", "issue_number")
LINK = (*LINK_KEY, "how")
FILES_KEY = ("installation_id", "repository_id", "number")
FILES = (*FILES_KEY, "head_sha", "files", "whole", "read_at")

Side: TypeAlias = Literal["LEFT", "RIGHT"]


class ChangedFile(TypedDict):
    path: str
    status: str
    additions: int
    deletions: int
    # The first and last lines of each hunk, by the side of the diff. Absent if GitHub has no patch.
    lines: NotRequired[dict[Side, list[tuple[int, int]]]]
    # The path before a rename.
    previous: NotRequired[str]
    # The SHA of the content at the head, and the first and last lines there that the patch changes.
    blob: NotRequired[str]
    edits: NotRequired[list[tuple[int, int]]]


class OpenPull(TypedDict):
    """The files of an open pull request, and the claimed task that it is for, if any."""

    number: int
    author_association: str
    files: list[ChangedFile]
    task_id: str | None
    task_number: int | None
    holder: str | None


async def put_links(
    tx: Tx, installation_id: int, repository_id: int, number: int, found: Sequence[Row]
) -> None:
    """Replace the pull request's links to issues."""
    await tx.run(
        "DELETE FROM pull_links WHERE installation_id = :i AND repository_id = :r "
        "AND pull_number = :n",
        i=installation_id,
        r=repository_id,
        n=number,
    )
    here = {
        "installation_id": installation_id,
        "repository_id": repository_id,
        "pull_number": number,
    }
    if found:
        await tx.many(sql.insert("pull_links", LINK), [{**here, **link} for link in found])


async def linked_issues(
    tx: Tx, installation_id: int, repository_id: int, full_name: str, number: int
) -> list[int]:
    """The issues of its own repository that its text closes, or else that its branch names."""
    rows = await tx.all(
        "SELECT issue_number, how FROM pull_links WHERE installation_id = :i "
        "AND repository_id = :r AND pull_number = :n AND issue_repository IN ('', :name) "
        "ORDER BY issue_number",
        i=installation_id,
        r=repository_id,
        n=number,
        name=full_name.casefold(),
    )
    closed = [row["issue_number"] for row in rows if row["how"] == "closes"]
    return closed or [row["issue_number"] for row in rows]


async def put_files(tx: Tx, row: PullFilesRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "pull_files", FILES, FILES_KEY), **row)


async def files(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> PullFilesRow | None:
    """The files that it changes, as of `head_sha`. None if they were not read yet."""
    q = "SELECT * FROM pull_files WHERE installation_id = :i AND repository_id = :r AND number = :n"
    row = await tx.one(q, i=installation_id, r=repository_id, n=number)
    return row and row | {"files": json_text.value(row["files"])}


async def reviews(tx: Tx, installation_id: int, repository_id: int, number: int) -> list[ReviewRow]:
    """Oldest first."""
    q = (
        "SELECT * FROM reviews WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND deleted = 0 ORDER BY submitted_at, id"
    )
    return await tx.all(q, i=installation_id, r=repository_id, n=number)


async def review(tx: Tx, installation_id: int, review_id: int) -> ReviewRow | None:
    q = "SELECT * FROM reviews WHERE installation_id = :i AND id = :id"
    return await tx.one(q, i=installation_id, id=review_id)


async def check_runs(
    tx: Tx, installation_id: int, repository_id: int, head_sha: str
) -> list[CheckRunRow]:
    """The check runs of a commit; the newest of each name is the last."""
    q = (
        f"SELECT * FROM {sql.by_index(tx.dialect, 'check_runs', 'ix_check_runs_head')} "
        "WHERE installation_id = :i AND repository_id = :r "
        "AND head_sha = :sha AND deleted = 0 ORDER BY id"
    )
    return await tx.all(q, i=installation_id, r=repository_id, sha=head_sha)


# A condition on a review comment `c`: it began a thread that nobody resolved. GitHub reports a
# thread only when somebody resolves it.
BEGAN_UNRESOLVED = (
    "c.deleted = 0 AND c.in_reply_to_id IS NULL AND NOT EXISTS (SELECT 1 FROM review_threads d "
    "WHERE d.installation_id = c.installation_id AND d.repository_id = c.repository_id "
    "AND d.number = c.number AND d.comment_id = c.id AND d.resolved = 1)"
)


async def unresolved_threads(tx: Tx, installation_id: int, repository_id: int, number: int) -> int:
    """How many threads nobody resolved."""
    q = (
        "SELECT COUNT(*) AS n FROM review_comments c WHERE c.installation_id = :i "
        f"AND c.repository_id = :r AND c.number = :n AND {BEGAN_UNRESOLVED}"
    )
    row = await tx.one(q, i=installation_id, r=repository_id, n=number)
    return int(row["n"]) if row else 0


async def open_files(tx: Tx, installation_id: int, repository_id: int) -> list[OpenPull]:
    """The files of the newest 30 open pull requests, with the claimed task of each."""
    # With a CROSS JOIN, SQLite begins with the pull requests, in their order.
    rows = await tx.all(
        "SELECT p.number, p.author_association, f.files, t.id AS task_id, "
        "t.number AS task_number, t.holder "
        "FROM pull_requests p CROSS JOIN pull_files f "
        "ON f.installation_id = p.installation_id AND f.repository_id = p.repository_id "
        "AND f.number = p.number "
        "LEFT JOIN tasks t ON t.installation_id = p.installation_id "
        "AND t.repository_id = p.repository_id AND t.pull_number = p.number "
        "AND t.lease_id IS NOT NULL WHERE p.installation_id = :i AND p.repository_id = :r "
        "AND p.state = 'open' AND p.deleted = 0 ORDER BY p.number DESC LIMIT 30",
        i=installation_id,
        r=repository_id,
    )
    return [row | {"files": json_text.value(row["files"])} for row in rows]


async def files_if_open(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> list[ChangedFile]:
    """Like `files`, but empty for a pull request that is closed or not read yet."""
    row = await tx.one(
        "SELECT f.files FROM pull_requests p JOIN pull_files f "
        "ON f.installation_id = p.installation_id AND f.repository_id = p.repository_id "
        "AND f.number = p.number WHERE p.installation_id = :i AND p.repository_id = :r "
        "AND p.number = :n AND p.state = 'open' AND p.deleted = 0",
        i=installation_id,
        r=repository_id,
        n=number,
    )
    found: list[ChangedFile] = json_text.value(row["files"]) if row else []
    return found


async def pull_request(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> PullRequestRow | None:
    q = (
        "SELECT * FROM pull_requests WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND deleted = 0"
    )
    return await tx.one(q, i=installation_id, r=repository_id, n=number)
