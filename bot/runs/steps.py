"""Moves agent runs from state to state. Each step appends an event."""

from typing import Any

from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.runs import deadlines
from bot.runs.states import ENDS, Step, target
from bot.tasks import publishing
from bot.times import MINUTE
from store.engine.transaction import Tx
from store.outbox import writes
from store.runs import runs
from store.tables.runs import AgentRunRow, RunState
from store.tasks import tasks

# The kind of event of each state.
EVENTS: dict[RunState, str] = {
    "queued": "agent.run_queued",
    "dispatched": "agent.run_dispatched",
    "running": "agent.run_started",
    "stopping": "agent.run_stopping",
    **dict.fromkeys(ENDS, "agent.run_ended"),
}
LONGEST_WHY = 600


async def record(
    tx: Tx, run: AgentRunRow, step: Step, by: str, why: str | None = None, **columns: Any
) -> AgentRunRow | None:
    """Take a step of a locked run. Return its row then; None if its state does not allow the step.

    `by`: the actor. `columns`: others to set with it. A run that has ended stays as it is.
    """
    reached = target(run["state"], step)
    if reached is None:
        return None
    columns |= await _times(tx, run, reached)
    ends = columns.get("deadline_at", run["deadline_at"])
    started = run["started_at"] is not None
    due = deadlines.due_at(reached, await tx.now(), ends, has_started=started)
    columns |= {"due_at": due, "asked_at": None}
    if why is not None:
        columns["why"] = why[:LONGEST_WHY]
    changed = await runs.change(tx, run, state=reached, **columns)
    await announce(tx, changed, by)
    return changed


async def _times(tx: Tx, run: AgentRunRow, reached: RunState) -> dict[str, int | None]:
    now = await tx.now()
    if reached == "dispatched":
        return {"dispatched_at": now}
    if reached == "running":
        return {"started_at": now, "deadline_at": await _deadline(tx, run, now)}
    return {"ended_at": now} if reached in ENDS else {}


async def _deadline(tx: Tx, run: AgentRunRow, now: int) -> int | None:
    """When the run's minutes end, which is never after its parent's."""
    own = now + run["minutes"] * MINUTE if run["minutes"] else None
    parent = run["parent_id"] and await runs.get(tx, run["installation_id"], run["parent_id"])
    ends = [each for each in (own, parent["deadline_at"] if parent else None) if each]
    return min(ends, default=None)


async def announce(tx: Tx, run: AgentRunRow, by: str) -> None:
    """Append the event of the state that the run has reached, and show it on the task's card."""
    await append(tx, run, EVENTS[run["state"]], by)
    if run["task_id"] and (task := await tasks.get(tx, run["installation_id"], run["task_id"])):
        lane = writes.PEOPLE if by.startswith("@") else writes.AGENTS
        await publishing.show(tx, task, lane=lane)


async def append(tx: Tx, run: AgentRunRow, kind: str, by: str) -> None:
    """Append an event of the run's agent."""
    event = Happening(
        kind, run["agent_id"], run["agent_id"], by, _data(run), repository_id=run["repository_id"]
    )
    await event_recorder.append(tx, run["installation_id"], event)


def _data(run: AgentRunRow) -> dict[str, object]:
    found: dict[str, object] = {
        "run": run["id"],
        "template": run["template"],
        "asked_by": run["asked_by"],
        "task": run["task_id"],
        "state": run["state"],
        "outcome": run["outcome"],
        "why": run["why"],
        "workflow_run": run["workflow_run_id"],
    }
    return {name: value for name, value in found.items() if value is not None}
