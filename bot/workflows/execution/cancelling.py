"""Cancels a workflow, and lets the steps begin that undo what it did."""

from bot.tasks.states import CLAIMABLE
from bot.workflows.execution import actions, decisions, flows, hold_texts
from bot.workflows.execution.flow_state import ENDED
from bot.workflows.execution.flows import Loaded
from store.engine.transaction import Tx
from store.tasks import tasks
from store.workflows import steps


async def cancel(tx: Tx, loaded: Loaded, actor: str, why: str, *, compensate: bool) -> None:
    """End all steps and the workflow. `compensate`: undo the steps that were begun."""
    undo = decisions.undo_order(flows.flow_of(loaded)) if compensate else []
    await actions.end_workflow(tx, loaded, "cancelled", actor, why)
    for key in loaded.steps:
        if key not in undo:
            await cancel_step(tx, loaded, key, actor, why)
    await _end_parent(tx, loaded, actor, why)
    await actions.go_on(tx, loaded)


async def cancel_step(
    tx: Tx, loaded: Loaded, key: str, actor: str, why: str, *, begun: bool = True
) -> None:
    """Cancel a step that has not ended. `begun`: also one that somebody works on."""
    row, task = loaded.steps[key], loaded.task(key)
    if row["state"] in ENDED:
        return
    if not begun and task is not None and task["state"] not in CLAIMABLE:
        return
    ended = {"state": "cancelled", "ended_at": await tx.now(), "deadline_at": None}
    loaded.steps[key] = await steps.change(tx, row, **ended)
    text = hold_texts.ended_with_workflow(loaded.workflow["name"], why)
    await actions.end_task(tx, loaded, key, "cancelled", text, actor)


async def _end_parent(tx: Tx, loaded: Loaded, actor: str, why: str) -> None:
    parent = await tasks.lock(tx, loaded.installation_id, loaded.workflow["parent_task_id"])
    if parent is not None:
        await actions.end(tx, parent, "cancelled", why, actor)
