"""Who gets a ready step: its agent, a new run, or first the best by the policy; then everybody.

A step is offered once, when it becomes ready, and again after each lease on it has ended.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from bot.identity.actors import BOT
from bot.tasks import lifecycle
from bot.times import SECOND
from bot.workflows.definitions import definition, stored_values
from bot.workflows.offers import applicants, ranking
from bot.workflows.offers.applicants import Opening
from bot.workflows.offers.ranking import CRITERIA, Ranked
from store.agents import agents
from store.engine.transaction import TaskKey, Tx
from store.tables.workflows import StepOfferRow, WorkflowStepRow
from store.tasks import ready, tasks
from store.tasks.tasks import FullTask
from store.workflows import offers, steps, workflows

# How long a step is kept for the best agent, unless the policy says it.
RESERVE_S = 120
# The others that are named beside the best.
MOST_CONSIDERED = 5
LONGEST_WHY = 600
NOBODY = "no agent that is here could take it when it became ready"


async def offer(tx: Tx, changed: AbstractSet[TaskKey]) -> None:
    """Offer those of the tasks that are ready steps."""
    for installation_id in sorted({each for each, _ in changed}):
        ids = {task_id for each, task_id in changed if each == installation_id}
        found = await steps.of_tasks(tx, installation_id, ids)
        for task_id in sorted(found):
            await _offer_step(tx, found[task_id])


async def _offer_step(tx: Tx, row: WorkflowStepRow) -> None:
    here, step = (tx, row["installation_id"]), stored_values.step(row["definition"])
    workflow = await workflows.get(*here, row["workflow_id"])
    if workflow is None or workflow["state"] != "running":
        return
    policy = stored_values.policy(workflow["definition"])
    if not (step.agent or step.template or policy.prefer or policy.reserve):
        return
    task = await _ready_task(tx, row)
    if task is None:
        return
    if step.agent:
        await _reserve_for(tx, task, step.agent)
    elif step.template:
        await _await_run(tx, task, row, step.template)
    else:
        await _reserve_for_best(tx, Opening(workflow["name"], step, task), policy)


async def _ready_task(tx: Tx, row: WorkflowStepRow) -> FullTask | None:
    """The task, locked. None unless it is ready, free, and not offered since its last lease."""
    here = (tx, row["installation_id"], row["task_id"])
    task = await tasks.lock(*here) if await ready.claimable(*here) else None
    if task is None or task["state"] != "pending" or task["held"] or task["lease_id"]:
        return None
    last = await offers.of_task(*here)
    return None if last is not None and last["fence"] == task["fence"] else task


async def _reserve_for(tx: Tx, task: FullTask, agent_id: str) -> None:
    """Keep it for the agent that the step names, also if that is not here."""
    away = await absence(tx, task["installation_id"], agent_id)
    why = f"its step names {agent_id}" + (f", which {away}" if away else "")
    await lifecycle.reserve(tx, task, agent_id, BOT)
    await _put(tx, task, why, agent_id)


async def absence(tx: Tx, installation_id: int, agent_id: str) -> str | None:
    """Why the agent cannot claim now: "has left". None if it can."""
    agent = await agents.get(tx, installation_id, agent_id)
    if agent is None:
        return "has never registered"
    if agent["left_at"] is not None:
        return "has left"
    return None if agent["paused_at"] is None else "is paused"


async def _await_run(tx: Tx, task: FullTask, row: WorkflowStepRow, template: str) -> None:
    """Hold it until a run has started for it: the loop of runs does that at once."""
    why = f"Hubbub starts a run of {template} for it"
    await _put(tx, task, why)
    await steps.change(tx, row, spawn_at=await tx.now())
    await lifecycle.hold(tx, task, BOT, why)


async def _reserve_for_best(tx: Tx, opening: Opening, policy: definition.Policy) -> None:
    found = await applicants.candidates(tx, opening)
    order = ranking.rank(policy.prefer or CRITERIA, found)
    if not order:
        await _put(tx, opening.task, NOBODY)
        return
    best, *others = order
    length = definition.seconds(policy.reserve) if policy.reserve else RESERVE_S
    until = await tx.now() + length * SECOND
    await lifecycle.reserve(tx, opening.task, best.agent_id, BOT, until)
    await _put(tx, opening.task, best.why, best.agent_id, until, others)


async def _put(
    tx: Tx,
    task: FullTask,
    why: str,
    agent_id: str | None = None,
    until: int | None = None,
    others: Sequence[Ranked] = (),
) -> None:
    row: StepOfferRow = {
        "installation_id": task["installation_id"],
        "task_id": task["id"],
        "fence": task["fence"],
        "agent_id": agent_id,
        "until_at": until,
        "why": why[:LONGEST_WHY],
        "considered": [
            {"agent": each.agent_id, "why": each.why} for each in others[:MOST_CONSIDERED]
        ],
        "made_at": await tx.now(),
    }
    await offers.put(tx, row)
