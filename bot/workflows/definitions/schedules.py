"""Workflows with a `schedule` start by Hubbub's clock: at the times that cron names, in UTC.

Each definition with a schedule has a row with its next time. The process that moves that time on
starts the workflow, so a time starts one workflow, however many processes there are. Of times that
passed while Hubbub was away, only the last one starts a workflow.
"""

from bot.runs.schedules import last_time, next_time
from bot.workflows.definitions.definition import Definition
from store.engine.transaction import Tx
from store.mirror.code_objects import Here
from store.tables.workflows import WorkflowScheduleRow
from store.workflows import schedules


async def keep(tx: Tx, here: Here, name: str, definition: Definition | None) -> None:
    """Keep the schedule of a definition that was read; None: it is gone.

    A schedule that did not change keeps its next time.
    """
    known = (await schedules.of(tx, *here)).get(name)
    schedule = definition.schedule if definition else None
    if schedule is None:
        if known is not None:
            await schedules.remove(tx, *here, name)
        return
    if known is not None and known["schedule"] == schedule:
        return
    row: WorkflowScheduleRow = {
        "installation_id": here[0],
        "repository_id": here[1],
        "name": name,
        "schedule": schedule,
        "next_at": next_time(schedule, await tx.now()),
    }
    await schedules.put(tx, row)


async def mend(tx: Tx) -> int:
    """Bring next times back that a clock which was ahead has set too late. Return how many."""
    mended, now = 0, await tx.now()
    for row in await schedules.all_after(tx, now):
        first = next_time(row["schedule"], now)
        if first is not None and first < (row["next_at"] or 0):
            mended += await schedules.advance(tx, row, first)
    return mended


async def take(tx: Tx, row: WorkflowScheduleRow) -> int | None:
    """Set the next time. Return the time that is due; None if another process took it."""
    now, due = await tx.now(), row["next_at"]
    if due is None or due > now:
        return None
    slot = max(due, last_time(row["schedule"], now) or due)
    following = next_time(row["schedule"], now)
    return slot if await schedules.advance(tx, row, following) else None
