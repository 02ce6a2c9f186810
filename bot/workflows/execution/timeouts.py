"""Until when a step may take. Ending it after that counts as a failure.

The time begins again after a hold by a person.
"""

from bot.identity.actors import BOT
from bot.tasks import lifecycle
from bot.tasks.states import OPEN
from bot.times import SECOND
from bot.workflows.definitions import stored_values
from bot.workflows.definitions.definition import Step, seconds
from store import events
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowStepRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import steps, workflows


def deadline(step: Step, now: int) -> int | None:
    """When the time of a step is over that begins now."""
    return now + seconds(step.timeout) * SECOND if step.timeout else None


async def end(tx: Tx, late: WorkflowStepRow) -> bool:
    """Fail the step's task, and take it from its holder. False if another process did."""
    here = (tx, late["installation_id"])
    task = await tasks.lock(*here, late["task_id"])
    await workflows.lock(*here, late["workflow_id"])
    row = await steps.lock(*here, late["workflow_id"], late["step"])
    if row is None or row["deadline_at"] is None or row["deadline_at"] > await tx.now():
        return False
    if task is None or task["state"] not in OPEN:
        await steps.change(tx, row, deadline_at=None)
        return False
    step = stored_values.step(row["definition"])
    later = await _after_hold(tx, task, step)
    await steps.change(tx, row, deadline_at=later)
    if later is not None:
        return False
    which = f"its time of {step.timeout}" if step.timeout else "its time"
    await lifecycle.move(tx, task, "failed", BOT, f"{which} is over")
    return True


async def _after_hold(tx: Tx, task: FullTask, step: Step) -> int | None:
    """The later end of the time, if a person holds the task or has held it since it began."""
    now = await tx.now()
    if task["held"] and task["held_by"] != BOT:
        return deadline(step, now)
    resumed = await events.newest(tx, task["installation_id"], task["id"], "task.resumed")
    if resumed is None or resumed["actor"] == BOT:
        return None
    later = deadline(step, resumed["at"])
    return later if later is not None and later > now else None
