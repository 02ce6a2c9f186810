"""Reservations of steps end as all others do, but the agent that a step names keeps it."""

from bot.tasks import lifecycle
from bot.workflows.definitions import stored_values
from bot.workflows.offers import offers
from store.engine.transaction import Tx
from store.tasks import tasks
from store.tasks.tasks import FullTask, TaskKey
from store.workflows import steps, workflows


async def expire(tx: Tx, which: TaskKey) -> bool:
    """End a reservation that is over, or begin another day of it."""
    task = await tasks.lock(tx, which["installation_id"], which["id"])
    if task is None or lifecycle.reserved_until(task) > await tx.now():
        return True
    if await _goes_on(tx, task):
        here = (tx, task["installation_id"], task["id"])
        await tasks.change(*here, assigned_at=await tx.now())
        return True
    return await lifecycle.expire_reservation(tx, which)


async def _goes_on(tx: Tx, task: FullTask) -> bool:
    """Whether it is of the agent that a step of a running workflow names, and that is here."""
    here = (tx, task["installation_id"])
    step = await steps.of_task(*here, task["id"])
    if step is None or stored_values.step(step["definition"]).agent != task["assigned_to"]:
        return False
    workflow = await workflows.get(*here, step["workflow_id"])
    is_running = workflow is not None and workflow["state"] == "running"
    return is_running and await offers.absence(*here, task["assigned_to"] or "") is None
