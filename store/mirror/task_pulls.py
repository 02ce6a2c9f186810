"""Open pull requests, by their head, by the issue that they are for, or by their files."""

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.mirror.pulls import ChangedFile
from store.tables.mirror import PullRequestRow

# Open pull requests with one head, or for one issue, that are looked at.
MOST = 20
# Those of a repository whose files are compared.
MOST_COMPARED = 100
# A pull request is for the issues that its text closes, and only else for that of its branch.
FOR_ISSUE = (
    "(l.how = 'closes' OR NOT EXISTS (SELECT 1 FROM pull_links c "
    "WHERE c.installation_id = l.installation_id AND c.repository_id = l.repository_id "
    "AND c.pull_number = l.pull_number AND c.how = 'closes'))"
)


class PullWithFiles(PullRequestRow):
    files: list[ChangedFile]


async def with_head(
    tx: Tx, installation_id: int, repository_id: int, head_sha: str
) -> list[PullRequestRow]:
    """The open pull requests with this head, the oldest first."""
    by_head = sql.by_index(tx.dialect, "pull_requests", "ix_pull_requests_head")
    return await tx.all(
        f"SELECT * FROM {by_head} WHERE installation_id = :i AND repository_id = :r "
        "AND head_sha = :sha AND state = 'open' AND deleted = 0 ORDER BY number LIMIT :n",
        i=installation_id,
        r=repository_id,
        sha=head_sha,
        n=MOST,
    )


async def for_issue(
    tx: Tx, installation_id: int, repository_id: int, full_name: str, number: int
) -> list[PullRequestRow]:
    """The open pull requests of the repository for one of its issues, the oldest first."""
    links = sql.by_index(tx.dialect, "pull_links l", "ix_pull_links_issue")
    its_pull = sql.by_index(tx.dialect, "pull_requests p", "ix_pull_requests_number")
    # With a CROSS JOIN, SQLite begins with the links, which are few.
    return await tx.all(
        f"SELECT p.* FROM {links} CROSS JOIN {its_pull} ON p.installation_id = l.installation_id "
        "AND p.repository_id = l.repository_id AND p.number = l.pull_number "
        "WHERE l.installation_id = :i AND l.issue_number = :issue AND l.repository_id = :r "
        f"AND l.issue_repository IN ('', :name) AND {FOR_ISSUE} "
        "AND p.state = 'open' AND p.deleted = 0 ORDER BY p.number LIMIT :n",
        i=installation_id,
        r=repository_id,
        issue=number,
        name=full_name.casefold(),
        n=MOST,
    )


async def newest_with_files(
    tx: Tx, installation_id: int, repository_id: int
) -> list[PullWithFiles]:
    """The newest open pull requests whose files are known."""
    # With a CROSS JOIN, SQLite begins with the pull requests, in their order.
    rows = await tx.all(
        "SELECT p.*, f.files FROM pull_requests p CROSS JOIN pull_files f "
        "ON f.installation_id = p.installation_id AND f.repository_id = p.repository_id "
        "AND f.number = p.number WHERE p.installation_id = :i AND p.repository_id = :r "
        "AND p.state = 'open' AND p.deleted = 0 ORDER BY p.number DESC LIMIT :n",
        i=installation_id,
        r=repository_id,
        n=MOST_COMPARED,
    )
    return [row | {"files": json_text.value(row["files"])} for row in rows]


async def newest_open(tx: Tx, installation_id: int, repository_id: int) -> list[PullRequestRow]:
    """The newest open pull requests of a repository."""
    return await tx.all(
        "SELECT * FROM pull_requests WHERE installation_id = :i AND repository_id = :r "
        "AND state = 'open' AND deleted = 0 ORDER BY number DESC LIMIT :n",
        i=installation_id,
        r=repository_id,
        n=MOST_COMPARED,
    )
