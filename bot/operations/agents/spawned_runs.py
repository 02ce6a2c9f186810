"""Agents that run in GitHub Actions: start one, look at it, get its result, stop it."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from bot.agents import presence
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel.operation import Context, RepositoryName, TaskRef, operation
from bot.kernel.waitable import EventFilter, Waitable
from bot.operations.agents import run_access, run_start
from bot.operations.agents.arguments import AgentId, Why
from bot.operations.agents.run_results import result_view
from bot.operations.agents.run_views import (
    RunResult,
    RunStatus,
    Spawned,
    Terminated,
    run_view,
    status_view,
)
from bot.operations.github import clean_texts
from bot.operations.github.targets import repository_of
from bot.operations.tasks.access import visible_repository, visible_task
from bot.operations.tasks.usage_reports import Cost
from bot.quotas.money import micros
from bot.repository.run_settings import LONGEST_MINUTES, MOST_CHILDREN, Model
from bot.runs import terminating
from bot.runs.run_rows import RunRequest
from bot.runs.states import ENDS
from bot.tasks.priorities import Priority
from store.tables.mirror import RepositoryRow
from store.tasks.tasks import FullTask

RunId: TypeAlias = Annotated[str, Field(max_length=40, description="default: your own")]
RunAgent: TypeAlias = Annotated[AgentId, Field(description="the run's agent")]
Prompt: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=20_000, description="what to do; default: the template's")
]


@operation(presence="at_work", reaches_github=True)
async def spawn_agent(
    ctx: Context,
    template: Annotated[str, Field(max_length=100, description="its name in .github/hubbub.yml")],
    task: Annotated[TaskRef | None, Field(description="the task to work on")] = None,
    repository: Annotated[RepositoryName | None, Field(description="default: the task's")] = None,
    prompt: Prompt | None = None,
    model: Annotated[Model | None, Field(description="default: by the template's rules")] = None,
    priority: Annotated[Priority | None, Field(description="default: the task's")] = None,
    minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES, description="a limit")] | None = None,
    tokens: Annotated[int, Field(ge=1, lt=2**53, description="a limit")] | None = None,
    cost: Cost | None = None,
    children: Annotated[int, Field(ge=0, le=MOST_CHILDREN, description="a limit on runs below")]
    | None = None,
) -> Spawned:
    """Start an agent in GitHub Actions from a template.

    Its limits hold for all it starts too. You can only lower them.
    """
    where, row = await _place(ctx, task, repository)
    await presence.check_may_work(ctx.tx, ctx.actor)
    await run_access.check_may_start(ctx, where, row)
    clean_texts.check_name("prompt", prompt)  # it becomes an input of the workflow
    wanted = RunRequest(
        template,
        ctx.actor.name,
        ctx.shared.caps.currency,
        prompt=prompt,
        model=model,
        priority=priority,
        minutes=minutes,
        children=children,
        tokens=tokens,
        cost=micros(cost) if cost else None,
    )
    return Spawned(run=await run_view(ctx, await run_start.start(ctx, where, row, wanted)))


async def _place(
    ctx: Context, task: str | None, repository: str | None
) -> tuple[RepositoryRow, FullTask | None]:
    """The repository of the run, and the locked task, if there is one. Raise Refused."""
    if task is None and repository is None:
        raise Refused("invalid_arguments", "Pass `task`, or `repository` for a run without a task.")
    if task is None:
        return await visible_repository(ctx, repository or ""), None
    row = await visible_task(ctx, task, lock=True)
    where = await repository_of(ctx, row)
    if repository is not None and repository.casefold() != where["full_name"].casefold():
        raise Refused(
            "invalid_arguments",
            f"`repository`: {task} is in {where['full_name']}. Leave `repository` out.",
        )
    return where, row


class _End(Waitable[Any]):
    """Waits for the end of the run."""

    def is_final(self, answer: RunStatus | RunResult) -> bool:
        state = answer.run.state if isinstance(answer, RunStatus) else answer.state
        return state in ENDS or (isinstance(answer, RunResult) and answer.is_final)

    def wanted_events(self, answer: RunStatus | RunResult, _actor: Actor) -> EventFilter | None:
        agent_id = answer.run.agent_id if isinstance(answer, RunStatus) else answer.agent_id
        return lambda event: event["subject"] == agent_id


@operation(reads_only=True, waitable=_End())
async def get_agent_status(
    ctx: Context, run_id: RunId | None = None, agent_id: RunAgent | None = None
) -> RunStatus:
    """Return the state of an agent run, what it holds, and the sum of the runs below it."""
    run, _ = await run_access.visible_run(ctx, run_id, agent_id)
    return await status_view(ctx, run)


@operation(reads_only=True, waitable=_End())
async def get_agent_result(
    ctx: Context, run_id: RunId | None = None, agent_id: RunAgent | None = None
) -> RunResult:
    """Return what an agent run reported so far, or at its end, and its pull requests."""
    run, _ = await run_access.visible_run(ctx, run_id, agent_id)
    return await result_view(ctx, run)


@operation(idempotent=True, destructive=True, presence="at_work")
async def terminate_agent(
    ctx: Context,
    run_id: RunId | None = None,
    agent_id: RunAgent | None = None,
    note: Annotated[Why | None, Field(description="the reason")] = None,
) -> Terminated:
    """Stop an agent run and all runs below it."""
    run, _ = await run_access.visible_run(ctx, run_id, agent_id)
    await run_access.check_may_stop(ctx, run)
    texts, cleaned = clean_texts.for_card({"note": note})
    why = f"stopped by {ctx.actor.name}{_reason(texts.get('note'))}"
    changed = await terminating.stop_tree(ctx.tx, run, ctx.actor.name, why)
    return Terminated(
        stopping=[each["id"] for each in changed if each["state"] not in ENDS],
        cancelled=[each["id"] for each in changed if each["state"] in ENDS],
        cleaned=cleaned,
    )


def _reason(note: str | None) -> str:
    return f": {note}" if note else ""
