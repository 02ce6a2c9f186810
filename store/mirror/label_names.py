"""The names of a repository's labels and milestones."""

from store.engine.transaction import Tx


async def labels(tx: Tx, installation_id: int, repository_id: int) -> dict[str, str]:
    """Labels by folded name, because GitHub ignores case."""
    q = "SELECT name FROM labels WHERE installation_id = :i AND repository_id = :r AND deleted = 0"
    rows = await tx.all(q, i=installation_id, r=repository_id)
    return {row["name"].casefold(): row["name"] for row in rows}


async def milestones(tx: Tx, installation_id: int, repository_id: int) -> dict[str, int]:
    """The numbers of open milestones, by title."""
    q = (
        "SELECT title, number FROM milestones WHERE installation_id = :i AND repository_id = :r "
        "AND deleted = 0 AND state = 'open'"
    )
    rows = await tx.all(q, i=installation_id, r=repository_id)
    return {row["title"]: row["number"] for row in rows}
