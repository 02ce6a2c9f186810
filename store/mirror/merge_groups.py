"""The groups of a merge queue: branches of GitHub whose names have the pull request.

`gh-readonly-queue/main/pr-12-<commit>` is the branch `main` with what is before pull request 12 in
the queue, and with that pull request.
"""

import re

from store.engine.transaction import Tx

PREFIX = "gh-readonly-queue/"
NUMBER = re.compile(r".*/pr-(\d{1,18})-[0-9a-f]+")
# Groups of a repository that are looked at. A queue has few, and GitHub deletes their branches.
MOST = 100


async def pull_numbers(
    tx: Tx, installation_id: int, repository_id: int, head_sha: str
) -> list[int]:
    """The pull requests whose groups have this head."""
    groups = await _groups(tx, installation_id, repository_id)
    return [number for number, sha in groups if sha == head_sha]


async def heads(tx: Tx, installation_id: int, repository_id: int, numbers: list[int]) -> list[str]:
    """The heads of the groups of these pull requests."""
    groups = await _groups(tx, installation_id, repository_id)
    return [sha for number, sha in groups if number in numbers]


async def _groups(tx: Tx, installation_id: int, repository_id: int) -> list[tuple[int, str]]:
    """The number of the pull request and the head of each group."""
    rows = await tx.all(
        "SELECT name, sha FROM refs WHERE installation_id = :i AND repository_id = :r "
        # `0` is the character after `/`.
        "AND name >= :first AND name < :after ORDER BY name LIMIT :n",
        i=installation_id,
        r=repository_id,
        first=PREFIX,
        after=f"{PREFIX[:-1]}0",
        n=MOST,
    )
    found = [(NUMBER.fullmatch(row["name"]), row["sha"]) for row in rows]
    return [(int(match[1]), sha) for match, sha in found if match]
