"""What decides how agents get the texts of a repository: its visibility, settings and writers."""

from collections.abc import Collection
from typing import TypedDict

from store.engine.transaction import Tx

# GitHub's permissions to write to a repository.
WRITING = ("admin", "maintain", "write")


# The columns of a `PolicyState` but its id, for a query that has a thread's row as `{of}`.
COLUMNS = (
    "(SELECT q.private FROM repositories q WHERE q.installation_id = {of}.installation_id "
    "AND q.id = {of}.repository_id) AS private, "
    "(SELECT s.settings FROM repository_settings s WHERE s.installation_id = {of}.installation_id "
    "AND s.repository_id = {of}.repository_id) AS settings"
)


class PolicyState(TypedDict):
    """`settings`: the column of the repository's settings, if it has any."""

    id: int
    private: int
    settings: str | None


def was_edited(of: str) -> str:
    """SQL: whether any text of the thread was edited, for a query that has its row as `of`."""
    return (
        f"EXISTS (SELECT 1 FROM text_edits e WHERE e.installation_id = {of}.installation_id "
        f"AND e.repository_id = {of}.repository_id AND e.number = {of}.number)"
    )


async def states(
    tx: Tx, installation_id: int, repository_ids: Collection[int]
) -> list[PolicyState]:
    return await tx.all(
        "SELECT r.id, r.private, s.settings FROM repositories r LEFT JOIN repository_settings s "
        "ON s.installation_id = r.installation_id AND s.repository_id = r.id "
        "WHERE r.installation_id = :i AND r.id IN :ids",
        i=installation_id,
        ids=tuple(sorted(repository_ids)),
    )


class Writer(TypedDict):
    repository_id: int
    login_key: str
    person_id: int


async def writers(
    tx: Tx, installation_id: int, repository_ids: Collection[int], logins: Collection[str]
) -> list[Writer]:
    """Those of the people of whom GitHub last said that they may write there."""
    return await tx.all(
        "SELECT repository_id, login_key, person_id FROM permissions WHERE installation_id = :i "
        "AND repository_id IN :r AND login_key IN :l AND permission IN :p",
        i=installation_id,
        r=tuple(sorted(repository_ids)),
        l=tuple(sorted(each.casefold() for each in logins)),
        p=WRITING,
    )
