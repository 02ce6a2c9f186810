"""The workflows that start by Hubbub's clock, and when."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowScheduleRow

COLUMNS = tuple(WorkflowScheduleRow.__annotations__)
KEY = ("installation_id", "repository_id", "name")


async def of(tx: Tx, installation_id: int, repository_id: int) -> dict[str, WorkflowScheduleRow]:
    """The schedules of a repository, by the name of the workflow."""
    q = "SELECT * FROM workflow_schedules WHERE installation_id = :i AND repository_id = :r"
    rows: list[WorkflowScheduleRow] = await tx.all(q, i=installation_id, r=repository_id)
    return {row["name"]: row for row in rows}


async def put(tx: Tx, row: WorkflowScheduleRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "workflow_schedules", COLUMNS, KEY), **row)


async def remove(tx: Tx, installation_id: int, repository_id: int, name: str) -> None:
    q = (
        "DELETE FROM workflow_schedules WHERE installation_id = :i AND repository_id = :r "
        "AND name = :n"
    )
    await tx.run(q, i=installation_id, r=repository_id, n=name)


async def due(tx: Tx, limit: int) -> list[WorkflowScheduleRow]:
    """Those of all installations whose time has come."""
    q = "SELECT * FROM workflow_schedules WHERE next_at <= :now ORDER BY next_at LIMIT :n"
    return await tx.all(q, now=await tx.now(), n=limit)


async def all_after(tx: Tx, at: int) -> list[WorkflowScheduleRow]:
    """Those of all installations whose time comes later than this."""
    return await tx.all("SELECT * FROM workflow_schedules WHERE next_at > :at", at=at)


async def advance(tx: Tx, row: WorkflowScheduleRow, next_at: int | None) -> bool:
    """Set the next time. False if another process has done so, or the file changed."""
    return bool(
        await tx.run(
            "UPDATE workflow_schedules SET next_at = :next_at WHERE installation_id = :i "
            "AND repository_id = :r AND name = :n AND schedule = :s AND next_at = :due",
            next_at=next_at,
            i=row["installation_id"],
            r=row["repository_id"],
            n=row["name"],
            s=row["schedule"],
            due=row["next_at"],
        )
    )
