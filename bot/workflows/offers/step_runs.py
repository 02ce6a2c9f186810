"""Starts the runs of steps with a `template`, as soon as the limits allow them."""

from bot.errors import Refused
from bot.identity.actors import BOT
from bot.runs import spawning
from bot.runs.run_rows import RunRequest
from bot.tasks import lifecycle
from bot.tasks.states import CLAIMABLE
from bot.times import MINUTE, minute
from bot.workflows.definitions import stored_values
from bot.workflows.execution import hold_texts
from bot.workflows.offers import offers
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.tables.mirror import RepositoryRow
from store.tables.workflows import WorkflowStepRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import steps, workflows

AGAIN_AFTER = 5 * MINUTE


async def start(tx: Tx, row: WorkflowStepRow, currency: str) -> bool:
    """Start the run of the step, whose time has come. Raise Refused; then put it off."""
    found = await _lock_due(tx, row)
    if found is None:
        return False
    step, task, where = found
    await steps.change(tx, step, spawn_at=None)
    if task["held"] and task["held_by"] == BOT:
        await lifecycle.resume(tx, task, BOT)
        task = await tasks.lock(tx, task["installation_id"], task["id"]) or task
    template = stored_values.step(step["definition"]).template or ""
    wanted = RunRequest(template, await _asked_by(tx, step), currency)
    await spawning.spawn(tx, where, task, wanted)
    return True


async def _asked_by(tx: Tx, step: WorkflowStepRow) -> str:
    """The agent that started the workflow, so that its budget counts the run; else Hubbub."""
    here = (tx, step["installation_id"])
    workflow = await workflows.get(*here, step["workflow_id"])
    starter = workflow["started_by"] if workflow else BOT
    return BOT if await offers.absence(*here, starter) else starter


async def put_off(tx: Tx, row: WorkflowStepRow, refused: Refused) -> None:
    """Say on the task why its run cannot start, and try again later."""
    found = await _lock_due(tx, row)
    if found is None:
        return
    step, task, _ = found
    again = await tx.now() + AGAIN_AFTER
    await steps.change(tx, step, spawn_at=again)
    template = stored_values.step(step["definition"]).template
    reason = refused.message.removesuffix(" Nothing was changed.").rstrip(".")
    why = f"no run of {template} could start: {reason}; Hubbub tries again at {minute(again)}"
    if task["held"] and task["held_by"] == BOT:
        await lifecycle.hold(tx, task, BOT, why)


async def _lock_due(
    tx: Tx, row: WorkflowStepRow
) -> tuple[WorkflowStepRow, FullTask, RepositoryRow] | None:
    """The step, its task and its repository. None if no run is to start for it any more."""
    here = (tx, row["installation_id"])
    task = await tasks.lock(*here, row["task_id"])
    workflow = await workflows.get(*here, row["workflow_id"])
    step = await steps.lock(*here, row["workflow_id"], row["step"])
    if step is None or step["spawn_at"] is None or step["spawn_at"] > await tx.now():
        return None
    where = task and await stored_repositories.repository_by_id(*here, task["repository_id"])
    if task is None or where is None or workflow is None or not _is_wanted(task, workflow["state"]):
        await steps.change(tx, step, spawn_at=None)
        return None
    return step, task, where


def _is_wanted(task: FullTask, state: str) -> bool:
    """Whether the task still waits for a run. A person may have resumed it for others."""
    is_ours = task["held"] and task["held_by"] == BOT and not hold_texts.is_of_workflow(task)
    return state == "running" and task["state"] in CLAIMABLE and bool(is_ours)
