"""What a person does to a workflow's parent issue: to close it ends the workflow."""

from collections.abc import Collection

from bot.identity.actors import BOT
from bot.tasks import task_decisions
from bot.tasks.states import OPEN
from bot.workflows.execution import actions, cancelling, flows
from bot.workflows.execution.flows import Loaded
from store.engine.transaction import Tx
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import workflows


async def follow(tx: Tx, installation_id: int, task_ids: Collection[str]) -> None:
    """End the workflows whose parent ended. A new parent is open: its workflow begins."""
    for each in await workflows.running_of_parents(tx, installation_id, task_ids):
        loaded = await flows.load(tx, installation_id, each["id"])
        parent = await tasks.get(tx, installation_id, each["parent_task_id"])
        if loaded is None or parent is None or loaded.workflow["state"] != "running":
            continue
        if parent["state"] in OPEN:
            await actions.go_on(tx, loaded)
        elif parent["state"] == "cancelled":
            ending = task_decisions.ending(parent)
            why = (ending and ending.why) or "its issue was closed as not planned"
            await cancelling.cancel(tx, loaded, _who(parent), why, compensate=True)
        elif parent["state"] == "completed":
            await _complete(tx, loaded, _who(parent))


def _who(parent: FullTask) -> str:
    ending = task_decisions.ending(parent)
    return (ending.by if ending else parent["last_holder"]) or BOT


async def _complete(tx: Tx, loaded: Loaded, actor: str) -> None:
    """End the workflow as completed, and cancel what has not begun."""
    why = "its issue was closed as completed"
    await actions.end_workflow(tx, loaded, "completed", actor, why)
    for key in loaded.steps:
        await cancelling.cancel_step(tx, loaded, key, actor, why, begun=False)
