"""Who takes part in the threads of issues and pull requests, or decides in their repository."""

from collections.abc import Collection

from store.engine import json_text
from store.engine.transaction import Tx

# Who may answer for a repository, by GitHub's permissions.
DECIDING = ("admin", "maintain", "write", "triage")
# Where authors of a thread are. More of them than this are not looked up.
TEXTS = ("issues", "comments", "reviews", "review_comments")
MOST = 500


async def participants(
    tx: Tx, installation_id: int, repository_id: int, numbers: Collection[int]
) -> set[str]:
    """Folded logins of authors and assignees of these issues, pull requests and their texts."""
    if not numbers:
        return set()
    parts = " UNION ".join(
        f"SELECT author FROM {table} WHERE installation_id = :i AND repository_id = :r "
        "AND number IN :n AND deleted = 0"
        for table in TEXTS
    )
    given = {"i": installation_id, "r": repository_id, "n": tuple(numbers)}
    authors = await tx.all(f"SELECT author FROM ({parts}) q LIMIT {MOST}", **given)
    assigned = await tx.all(
        "SELECT assignees FROM issues WHERE installation_id = :i AND repository_id = :r "
        "AND number IN :n AND deleted = 0",
        **given,
    )
    found = {row["author"] for row in authors}
    found |= {login for row in assigned for login in json_text.value(row["assignees"])}
    return {each.casefold() for each in found}


async def deciders(tx: Tx, installation_id: int, repository_id: int) -> set[str]:
    """Folded logins of people who may decide in the repository, as far as GitHub was asked."""
    rows = await tx.all(
        "SELECT login_key FROM permissions WHERE installation_id = :i AND repository_id = :r "
        f"AND permission IN :p LIMIT {MOST}",
        i=installation_id,
        r=repository_id,
        p=DECIDING,
    )
    return {row["login_key"] for row in rows}
