"""The templates that start by Hubbub's clock, and when."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.runs import RunScheduleRow

COLUMNS = tuple(RunScheduleRow.__annotations__)
KEY = ("installation_id", "repository_id", "template")


async def of(tx: Tx, installation_id: int, repository_id: int) -> dict[str, RunScheduleRow]:
    """The schedules of a repository, by template."""
    q = "SELECT * FROM run_schedules WHERE installation_id = :i AND repository_id = :r"
    rows: list[RunScheduleRow] = await tx.all(q, i=installation_id, r=repository_id)
    return {row["template"]: row for row in rows}


async def put(tx: Tx, row: RunScheduleRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "run_schedules", COLUMNS, KEY), **row)


async def remove(tx: Tx, installation_id: int, repository_id: int, template: str) -> None:
    q = (
        "DELETE FROM run_schedules WHERE installation_id = :i AND repository_id = :r "
        "AND template = :t"
    )
    await tx.run(q, i=installation_id, r=repository_id, t=template)


async def due(tx: Tx, limit: int) -> list[RunScheduleRow]:
    """Those of all installations whose time has come."""
    q = "SELECT * FROM run_schedules WHERE next_at <= :now ORDER BY next_at LIMIT :n"
    return await tx.all(q, now=await tx.now(), n=limit)


async def all_after(tx: Tx, at: int) -> list[RunScheduleRow]:
    """Those of all installations whose time comes later than this."""
    return await tx.all("SELECT * FROM run_schedules WHERE next_at > :at", at=at)


async def advance(tx: Tx, row: RunScheduleRow, next_at: int | None) -> bool:
    """Set the next time. False if another process has done so, or the settings changed."""
    return bool(
        await tx.run(
            "UPDATE run_schedules SET next_at = :next_at WHERE installation_id = :i "
            "AND repository_id = :r AND template = :t AND schedule = :s AND next_at = :due",
            next_at=next_at,
            i=row["installation_id"],
            r=row["repository_id"],
            t=row["template"],
            s=row["schedule"],
            due=row["next_at"],
        )
    )
