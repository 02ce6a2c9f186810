"""The heads of branches, from pushes and from reads."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.mirror import RefRow

KEY = ("installation_id", "repository_id", "name")
COLUMNS = (*KEY, "sha", "pushed_at")


async def get(tx: Tx, installation_id: int, repository_id: int, name: str) -> RefRow | None:
    q = "SELECT * FROM refs WHERE installation_id = :i AND repository_id = :r AND name = :n"
    return await tx.one(q, i=installation_id, r=repository_id, n=name)


async def has_head(tx: Tx, installation_id: int, repository_id: int, sha: str) -> bool:
    """Whether the commit is the head of a branch."""
    q = (
        "SELECT name FROM refs WHERE installation_id = :i AND repository_id = :r AND sha = :s "
        "LIMIT 1"
    )
    return await tx.one(q, i=installation_id, r=repository_id, s=sha) is not None


async def in_the_way(tx: Tx, installation_id: int, repository_id: int, name: str) -> str | None:
    """A branch that cannot exist beside one of this name: `a` and `a/b` exclude each other."""
    parts = name.split("/")
    parents = tuple("/".join(parts[:n]) for n in range(1, len(parts)))
    row = await tx.one(
        "SELECT name FROM refs WHERE installation_id = :i AND repository_id = :r "
        # `0` is the character after `/`.
        "AND (name IN :parents OR (name >= :first AND name < :after)) ORDER BY name LIMIT 1",
        i=installation_id,
        r=repository_id,
        parents=parents or ("",),
        first=f"{name}/",
        after=f"{name}0",
    )
    return row["name"] if row else None


async def put(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    name: str,
    sha: str | None,
    pushed_at: int = 0,
) -> None:
    """Set a branch's head; None if the branch is deleted."""
    if sha is None:
        q = "DELETE FROM refs WHERE installation_id = :i AND repository_id = :r AND name = :n"
        await tx.run(q, i=installation_id, r=repository_id, n=name)
        return
    await tx.run(
        sql.upsert(tx.dialect, "refs", COLUMNS, KEY),
        installation_id=installation_id,
        repository_id=repository_id,
        name=name,
        sha=sha,
        pushed_at=pushed_at,
    )


async def put_answer(
    tx: Tx, installation_id: int, repository_id: int, name: str, sha: str | None
) -> None:
    """Set the head that GitHub answered. The time of the push stays."""
    known = await get(tx, installation_id, repository_id, name)
    pushed_at = known["pushed_at"] if known else 0
    await put(tx, installation_id, repository_id, name, sha, pushed_at)


async def names(tx: Tx, installation_id: int, repository_id: int) -> set[str]:
    q = "SELECT name FROM refs WHERE installation_id = :i AND repository_id = :r"
    return {row["name"] for row in await tx.all(q, i=installation_id, r=repository_id)}
