"""Pull requests of hosted agents, by the issues that they are for."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx

# Pull requests that are looked at for one issue, and tasks for one pull request.
MOST = 50


class LinkedPull(TypedDict):
    number: int
    author: str
    state: str
    merged: int


async def for_issue(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    number: int,
    full_name: str,
    logins: Sequence[str],
) -> list[LinkedPull]:
    """Those by these authors that close the issue or whose branch names it, the newest first."""
    links = sql.by_index(tx.dialect, "pull_links l", "ix_pull_links_issue")
    rows = await tx.all(
        f"SELECT p.number, p.author, p.state, p.merged FROM {links} "
        "JOIN pull_requests p ON p.installation_id = l.installation_id "
        "AND p.repository_id = l.repository_id AND p.number = l.pull_number AND p.deleted = 0 "
        "WHERE l.installation_id = :i AND l.issue_number = :n AND l.repository_id = :r "
        "AND l.issue_repository IN ('', :name) ORDER BY p.number DESC LIMIT :most",
        i=installation_id,
        n=number,
        r=repository_id,
        name=full_name.casefold(),
        most=MOST,
    )
    known = set(logins)
    return [row for row in rows if row["author"].casefold() in known]


async def tasks_of(tx: Tx, installation_id: int, repository_id: int, pull_number: int) -> list[str]:
    """The tasks that the pull request closes, that its branch names, or that have it already."""
    rows = await tx.all(
        "SELECT t.id FROM pull_links l JOIN tasks t ON t.installation_id = l.installation_id "
        "AND t.repository_id = l.repository_id AND t.number = l.issue_number "
        "JOIN repositories r ON r.installation_id = l.installation_id AND r.id = l.repository_id "
        "WHERE l.installation_id = :i AND l.repository_id = :r AND l.pull_number = :n "
        "AND (l.issue_repository = '' OR l.issue_repository = LOWER(r.full_name)) "
        "UNION SELECT id FROM tasks WHERE installation_id = :i AND repository_id = :r "
        "AND pull_number = :n ORDER BY id LIMIT :most",
        i=installation_id,
        r=repository_id,
        n=pull_number,
        most=MOST,
    )
    return [row["id"] for row in rows]
