"""Workflows with a `schedule` start by Hubbub's clock: see `bot.repository.schedules`.

Each definition with a schedule has a row with its next time.
"""

from bot.repository.schedules import next_time
from bot.workflows.definitions.definition import Definition
from store.engine.transaction import Tx
from store.mirror.code_objects import Here
from store.tables.workflows import WorkflowScheduleRow
from store.workflows.schedules import WORKFLOWS


async def keep(tx: Tx, here: Here, name: str, definition: Definition | None) -> None:
    """Keep the schedule of a definition that was read; None: it is gone.

    A schedule that did not change keeps its next time.
    """
    known = (await WORKFLOWS.of(tx, *here)).get(name)
    schedule = definition.schedule if definition else None
    if schedule is None:
        if known is not None:
            await WORKFLOWS.remove(tx, *here, name)
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
    await WORKFLOWS.put(tx, row)
