"""The digests that repositories ask for, and the tasks that one lists."""

from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.tasks import DigestRow, TaskState
from store.tasks import tasks
from store.tasks.tasks import FullTask

COLUMNS = tuple(DigestRow.__annotations__)
KEY = ("installation_id", "repository_id")


class Counted(TypedDict):
    n: int


async def get(tx: Tx, installation_id: int, repository_id: int) -> DigestRow | None:
    q = "SELECT * FROM digests WHERE installation_id = :i AND repository_id = :r"
    return await tx.one(q, i=installation_id, r=repository_id)


async def put(tx: Tx, row: DigestRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "digests", COLUMNS, KEY), **row)


async def remove(tx: Tx, installation_id: int, repository_id: int) -> None:
    q = "DELETE FROM digests WHERE installation_id = :i AND repository_id = :r"
    await tx.run(q, i=installation_id, r=repository_id)


async def due(tx: Tx, limit: int) -> list[DigestRow]:
    """Those of all installations whose time has come."""
    q = "SELECT * FROM digests WHERE next_at <= :now ORDER BY next_at LIMIT :n"
    return await tx.all(q, now=await tx.now(), n=limit)


async def advance(tx: Tx, row: DigestRow, next_at: int) -> bool:
    """Set the next time. False if another process has done so, or the settings changed."""
    q = (
        "UPDATE digests SET next_at = :next_at WHERE installation_id = :i "
        "AND repository_id = :r AND number = :n AND next_at = :due"
    )
    here = {"i": row["installation_id"], "r": row["repository_id"], "n": row["number"]}
    return bool(await tx.run(q, next_at=next_at, due=row["next_at"], **here))


async def open_tasks(
    tx: Tx, installation_id: int, repository_id: int, states: tuple[TaskState, ...], limit: int
) -> list[FullTask]:
    """The newest tasks of a repository in these states."""
    q = (
        f"{tasks.ANY} AND t.repository_id = :r AND t.state IN :s AND t.number IS NOT NULL "
        "ORDER BY t.created_at DESC LIMIT :n"
    )
    return tasks.decode(await tx.all(q, i=installation_id, r=repository_id, s=states, n=limit))


async def held_tasks(
    tx: Tx, installation_id: int, repository_id: int, limit: int
) -> list[FullTask]:
    """Tasks of a repository on hold."""
    q = (
        f"{tasks.ANY} AND t.repository_id = :r AND t.held = 1 AND t.number IS NOT NULL "
        "ORDER BY t.created_at DESC LIMIT :n"
    )
    return tasks.decode(await tx.all(q, i=installation_id, r=repository_id, n=limit))


async def ended_tasks(
    tx: Tx, installation_id: int, repository_id: int, since: int, limit: int
) -> list[FullTask]:
    """Tasks of a repository that ended since then, the last one first."""
    q = (
        f"{tasks.ANY} AND t.repository_id = :r AND t.ended_at > :since AND t.state IN :s "
        "AND t.number IS NOT NULL ORDER BY t.ended_at DESC LIMIT :n"
    )
    given = {"r": repository_id, "since": since, "s": tasks.ENDED, "n": limit}
    return tasks.decode(await tx.all(q, i=installation_id, **given))


async def count_pending(tx: Tx, installation_id: int, repository_id: int) -> int:
    """How many tasks of a repository nobody has claimed and nobody put on hold."""
    row: Counted | None = await tx.one(
        "SELECT COUNT(*) AS n FROM tasks WHERE installation_id = :i AND repository_id = :r "
        "AND state IN ('pending', 'assigned') AND held = 0",
        i=installation_id,
        r=repository_id,
    )
    return row["n"] if row else 0
