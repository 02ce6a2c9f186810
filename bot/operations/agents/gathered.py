"""What became of one task or agent, in few tokens."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from bot.kernel.operation import Context
from bot.kernel.sentences import shorten
from bot.operations.agents import run_access, run_results
from bot.operations.agents.views import MOST_HELD, agent_views, known_agent
from bot.operations.tasks.access import visible_task
from bot.operations.workflows import step_blocks
from bot.runs.states import ENDS
from bot.tasks import lookup
from bot.tasks.states import OPEN
from store.tables.runs import AgentRunRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# Characters of a result.
LONGEST = 1_000


def _is_empty(value: object) -> bool:
    return not value


class _Named(BaseModel):
    task: str | None = Field(None, exclude_if=_is_empty)
    agent: str | None = Field(None, exclude_if=_is_empty)
    run: str | None = Field(None, exclude_if=_is_empty)
    state: str


class Finished(_Named):
    """Something that has ended."""

    outcome: str | None = Field(None, description="as the agent reported it", exclude_if=_is_empty)
    result: str | None = Field(
        None, description=f"its first {LONGEST} characters", exclude_if=_is_empty
    )
    why: str | None = Field(None, description="why it failed or ended", exclude_if=_is_empty)
    outputs: dict[str, Any] = Field({}, description="of a workflow's step", exclude_if=_is_empty)
    pull_requests: list[int] = Field([], exclude_if=_is_empty)
    commits: list[str] = Field([], exclude_if=_is_empty)


class Missing(_Named):
    """Something that has not ended."""

    holder: str | None = Field(None, exclude_if=_is_empty)
    progress: int = Field(0, exclude_if=_is_empty)
    waits_for_answer: bool = Field(
        False, description="its holder asked people", exclude_if=_is_empty
    )
    holds: list[str] = Field([], description="tasks of the agent", exclude_if=_is_empty)


@dataclass(frozen=True)
class Found:
    """`subject`: the task or agent whose events say that it ended. One of the others is set."""

    subject: str
    done: Finished | None = None
    missing: Missing | None = None


async def of_task(ctx: Context, ref: str) -> Found:
    """Raise Refused."""
    row = await visible_task(ctx, ref)
    if not _has_ended(row):
        return _missing(row)
    done = _end_of(row)
    done.outputs = await step_blocks.outputs_of(ctx, row)
    return Found(row["id"], done=done)


def _has_ended(row: FullTask) -> bool:
    return row["state"] not in OPEN


def _end_of(row: FullTask) -> Finished:
    return Finished(
        task=lookup.name(row),
        agent=row["last_holder"],
        state=row["state"],
        result=row["result"] and shorten(row["result"], LONGEST),
        why=_why(row),
        pull_requests=[row["pull_number"]] if row["pull_number"] else [],
    )


def _why(row: FullTask) -> str | None:
    """Who ended it and why; of a task that its holder gave up, its note if it has no result."""
    if row["decision"] or row["state"] == "completed" or row["result"]:
        return row["decision"]
    return row["note"] and shorten(row["note"], LONGEST)


def _missing(row: FullTask) -> Found:
    missing = Missing(
        task=lookup.name(row),
        state="on_hold" if row["held"] else row["state"],
        holder=row["holder"],
        progress=row["progress"],
        waits_for_answer=bool(row["question"]),
    )
    return Found(row["id"], missing=missing)


async def of_run(ctx: Context, run_id: str) -> Found:
    """Raise Refused."""
    run, _ = await run_access.visible_run(ctx, run_id, None)
    return await _of_run(ctx, run)


async def of_agent(ctx: Context, agent_id: str) -> Found:
    """A run's agent is done with its run, another agent when it has left or has no task.

    Raise Refused.
    """
    if await run_access.is_visible_run(ctx, agent_id):
        run, _ = await run_access.visible_run(ctx, None, agent_id)
        return await _of_run(ctx, run)
    row = await known_agent(ctx, agent_id)
    (agent,) = await agent_views(ctx, [row], MOST_HELD)
    reserved = await tasks.reserved_for(ctx.tx, ctx.installation_id, [agent_id], 1)
    if agent.status != "left" and (agent.holds or reserved):
        missing = Missing(agent=agent_id, state=agent.status, holds=agent.holds)
        return Found(agent_id, missing=missing)
    state = agent.status if agent.status == "left" else "without a task"
    return Found(agent_id, done=Finished(agent=agent_id, state=state))


async def _of_run(ctx: Context, run: AgentRunRow) -> Found:
    known = await run_results.result_view(ctx, run)
    named = {"run": run["id"], "agent": run["agent_id"], "task": known.task}
    if not (known.is_final or run["state"] in ENDS):
        return Found(run["agent_id"], missing=Missing(**named, state=run["state"]))
    done = Finished(
        **named,
        state=run["state"],
        outcome=known.outcome,
        result=known.result and shorten(known.result, LONGEST),
        why=known.why,
        pull_requests=known.pull_requests,
        commits=known.commits,
    )
    return Found(run["agent_id"], done=done)
