"""Until when a step may take. Ending it after that counts as a failure."""

from bot.identity.actors import BOT
from bot.tasks import lifecycle
from bot.tasks.states import OPEN
from bot.times import SECOND
from bot.workflows.definitions import stored_values
from bot.workflows.definitions.definition import Step, seconds
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowStepRow
from store.tasks import tasks
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
    await steps.change(tx, row, deadline_at=None)
    if task is None or task["state"] not in OPEN:
        return False
    timeout = stored_values.step(row["definition"]).timeout
    which = f"its time of {timeout}" if timeout else "its time"
    await lifecycle.move(tx, task, "failed", BOT, f"{which} is over")
    return True
