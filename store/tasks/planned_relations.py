"""Relations that a task will have on GitHub. It cannot be claimed before it has them."""

from collections.abc import Collection, Iterable

from store.engine import sql
from store.engine.transaction import Tx

COLUMNS = ("installation_id", "task_id", "write_id")


async def add(tx: Tx, installation_id: int, write_id: str, task_ids: Iterable[str]) -> None:
    """Let these tasks wait until the write has made their relation."""
    rows = [
        {"installation_id": installation_id, "task_id": each, "write_id": write_id}
        for each in task_ids
    ]
    await tx.many(sql.insert("planned_relations", COLUMNS), rows)


async def writes_of(tx: Tx, installation_id: int, task_id: str) -> list[str]:
    """The writes that will make relations of the task, the first one first."""
    rows = await tx.all(
        "SELECT write_id FROM planned_relations WHERE installation_id = :i AND task_id = :t "
        "ORDER BY write_id",
        i=installation_id,
        t=task_id,
    )
    return [row["write_id"] for row in rows]


async def waiting_among(tx: Tx, installation_id: int, task_ids: Collection[str]) -> set[str]:
    """Those of the tasks that wait for a relation."""
    if not task_ids:
        return set()
    rows = await tx.all(
        "SELECT DISTINCT task_id FROM planned_relations WHERE installation_id = :i "
        "AND task_id IN :tasks",
        i=installation_id,
        tasks=tuple(task_ids),
    )
    return {row["task_id"] for row in rows}


async def waiting_for(tx: Tx, installation_id: int, write_id: str) -> list[str]:
    """The tasks that wait for the write, in a fixed order."""
    of_write = sql.by_index(tx.dialect, "planned_relations", "ix_planned_relations_write")
    q = f"SELECT task_id FROM {of_write} WHERE installation_id = :i AND write_id = :w"
    return sorted(row["task_id"] for row in await tx.all(q, i=installation_id, w=write_id))


async def remove(tx: Tx, installation_id: int, write_id: str) -> None:
    """Let no task wait for the write any more."""
    await tx.run(
        "DELETE FROM planned_relations WHERE installation_id = :i AND write_id = :w",
        i=installation_id,
        w=write_id,
    )
