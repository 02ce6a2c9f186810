"""What answers show of agent runs."""

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context
from bot.quotas.money import amount
from bot.runs import limits, places
from bot.runs.limits import Limits
from bot.runs.spawning import MOST_QUEUED
from bot.tasks import lookup
from bot.tasks.priorities import PRIORITIES, Priority
from bot.times import MINUTE, stamp
from store.agents import agents
from store.mirror import stored_repositories
from store.runs import runs
from store.tables.runs import AgentRunRow, RunOutcome, RunState
from store.tasks import tasks

# Direct children that an answer names.
MOST_CHILDREN = 100


class RunBrief(BaseModel):
    run_id: str
    agent_id: str
    template: str
    state: RunState
    task: str | None = None


class RunLimitsView(BaseModel):
    """For a run together with all below it; absent: no limit."""

    minutes: int | None = Field(None, exclude_if=lambda each: each is None)
    children: int | None = Field(None, exclude_if=lambda each: each is None)
    levels: int | None = Field(
        None, description="of runs below it", exclude_if=lambda each: each is None
    )
    tokens: int | None = Field(None, exclude_if=lambda each: each is None)
    cost: str | None = Field(None, exclude_if=lambda each: each is None)


class Run(RunBrief):
    repository: str
    place: int | None = Field(
        None, description="in the queue; 1 is next", exclude_if=lambda place: place is None
    )
    why: str | None = Field(
        None, description="why it ended or stops", exclude_if=lambda why: why is None
    )
    model: str
    role: str
    priority: Priority
    asked_by: str
    parent: str | None = Field(
        None, description="the run above it", exclude_if=lambda parent: parent is None
    )
    workflow_run: int | None = Field(None, description="its id on GitHub")
    limits: RunLimitsView
    created_at: str
    started_at: str | None = None
    deadline_at: str | None = None
    ended_at: str | None = None


class Spawned(Answer):
    of_mirror = False

    run: Run


class HeldTask(BaseModel):
    task: str
    state: str
    progress: int
    note: str | None = None


class Total(BaseModel):
    """All runs below a run, and what they and the run used."""

    runs: int = Field(description="below it")
    states: dict[str, int] = Field(description="how many of them are in each state")
    minutes: int = Field(description="of the run and all below it, as is the rest")
    tokens: int
    cost: str


class RunStatus(Spawned):
    holds: list[HeldTask] = Field([])
    children: list[RunBrief] = Field([], description="the runs that it started")
    total: Total
    left: RunLimitsView = Field(description="what it and all below it may still use")


class Terminated(Answer):
    of_mirror = False

    stopping: list[str] = Field(description="runs that were asked to stop, and are then cancelled")
    cancelled: list[str] = Field(description="runs that had not started")
    cleaned: list[str] = Field(
        [], description="what was changed in your note", exclude_if=lambda cleaned: not cleaned
    )


class RunResult(Answer):
    of_mirror = False

    run_id: str
    agent_id: str
    state: RunState
    why: str | None = None
    outcome: RunOutcome | None = None
    is_final: bool = Field(description="false: what it reported so far")
    result: str | None = None
    task: str | None = None
    pull_requests: list[int] = Field([])
    commits: list[str] = Field([])


async def brief(ctx: Context, rows: Sequence[AgentRunRow]) -> list[RunBrief]:
    named = await lookup.names(
        ctx.tx, ctx.actor, [row["task_id"] for row in rows if row["task_id"]]
    )
    return [
        RunBrief(
            run_id=row["id"],
            agent_id=row["agent_id"],
            template=row["template"],
            state=row["state"],
            task=named.get(row["task_id"] or "", row["task_id"]),
        )
        for row in rows
    ]


async def run_view(ctx: Context, row: AgentRunRow) -> Run:
    (known,) = await brief(ctx, [row])
    where = await stored_repositories.repository_by_id(
        ctx.tx, ctx.installation_id, row["repository_id"]
    )
    return Run(
        **known.model_dump(),
        repository=where["full_name"] if where else "",
        place=await _place(ctx, row),
        why=row["why"],
        model=row["model"],
        role=row["role"],
        priority=PRIORITIES[row["priority"]],
        asked_by=row["asked_by"],
        parent=row["parent_id"],
        workflow_run=row["workflow_run_id"],
        limits=limits_view(limits.of_run(row), row["depth"]),
        created_at=stamp(row["created_at"]),
        started_at=row["started_at"] and stamp(row["started_at"]),
        deadline_at=row["deadline_at"] and stamp(row["deadline_at"]),
        ended_at=row["ended_at"] and stamp(row["ended_at"]),
    )


async def _place(ctx: Context, row: AgentRunRow) -> int | None:
    if row["state"] != "queued":
        return None
    queue = await runs.queue(ctx.tx, ctx.installation_id, row["repository_id"], MOST_QUEUED + 1)
    ordered = [each["id"] for each in places.in_order(queue)]
    return ordered.index(row["id"]) + 1 if row["id"] in ordered else None


def limits_view(found: Limits, depth: int) -> RunLimitsView:
    return RunLimitsView(
        minutes=_rest(found.minutes),
        children=_rest(found.children),
        levels=None if found.deepest is None else _rest(found.deepest - depth),
        tokens=_rest(found.tokens),
        cost=None if found.cost is None else amount(max(0, found.cost)),
    )


def _rest(value: int | None) -> int | None:
    return None if value is None else max(0, value)


async def status_view(ctx: Context, row: AgentRunRow) -> RunStatus:
    everybody = await runs.tree(ctx.tx, ctx.installation_id, row["root_id"])
    names = [each["agent_id"] for each in everybody]
    used = await runs.usage_of(ctx.tx, ctx.installation_id, names, ctx.shared.caps.currency)
    subtree = runs.below(everybody, row["id"])
    spent = [used[each["agent_id"]] for each in subtree]
    children = [each for each in subtree if each["parent_id"] == row["id"]]
    return RunStatus(
        run=await run_view(ctx, row),
        holds=await _held_tasks(ctx, row),
        children=await brief(ctx, children[:MOST_CHILDREN]),
        total=Total(
            runs=len(subtree) - 1,
            states=Counter(each["state"] for each in subtree if each["id"] != row["id"]),
            minutes=sum(_minutes(each, ctx.now) for each in subtree),
            tokens=sum(each["tokens"] for each in spent),
            cost=amount(sum(each["cost"] for each in spent)),
        ),
        left=limits_view(limits.left_of(everybody, row, used, ctx.now), row["depth"]),
    )


def _minutes(run: AgentRunRow, now: int) -> int:
    """The minutes for which it has run, rounded up as GitHub bills them."""
    if run["started_at"] is None:
        return 0
    return -(-((run["ended_at"] or now) - run["started_at"]) // MINUTE)


async def _held_tasks(ctx: Context, row: AgentRunRow) -> list[HeldTask]:
    here = (ctx.tx, ctx.installation_id)
    ids = await agents.held_tasks(*here, [row["agent_id"]], MOST_CHILDREN, ctx.actor.repositories)
    return [
        HeldTask(
            task=lookup.name(each),
            state=each["state"],
            progress=each["progress"],
            note=each["note"],
        )
        for each in await tasks.several(*here, set(ids), ctx.actor.repositories)
    ]
