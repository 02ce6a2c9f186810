"""Agents: who they are, what they can do, how they are, and whether they are at work."""

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bot.agents import checkpoints, hierarchy, presence
from bot.agents.checkpoints import Checkpoint
from bot.agents.hierarchy import Action
from bot.comments import replies
from bot.errors import Refused
from bot.identity.actors import NO_AGENTS, SLUG
from bot.kernel.operation import Answer, Context, Slash, TaskRef, operation
from bot.kernel.pagination import Cursor, Limit, decode, encode
from bot.kernel.patterns import AGENT, Shape
from bot.operations.tasks.access import visible_task
from bot.tasks.capabilities import Capabilities, Capability, spellings
from bot.times import stamp
from store.agents import agents
from store.agents.agents import Sought, Status
from store.tables.agents import AgentRow, Role
from store.tasks import leases

AgentId: TypeAlias = Annotated[str, AGENT]
# '' is to have none.
Parent: TypeAlias = Annotated[str, Shape(f"^({SLUG})?$", f"{AGENT.words}, or '' for none")]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
System: TypeAlias = Annotated[str, Field(max_length=80)]
Why: TypeAlias = Annotated[str, Field(max_length=500)]
State: TypeAlias = Annotated[
    Any,
    AfterValidator(checkpoints.checked_state),
    # It is sealed where it is kept, and stands nowhere else.
    Field(repr=False, description="JSON to resume from; with `task`, for its next holder too"),
]
# How many of its tasks each agent of a list, and one alone, is shown with; of children.
MOST_HELD, MOST_SHOWN = 10, 100


class Health(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    latency_ms: Annotated[float, Field(ge=0)] | None = None
    error_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    cpu_percent: Annotated[float, Field(ge=0, le=100)] | None = None
    memory_mb: Annotated[float, Field(ge=0)] | None = None


class HealthThen(Health):
    at: str


class Agent(BaseModel):
    id: str
    name: str
    system: str
    role: str
    capabilities: list[str]
    status: Status
    parent_id: str | None
    registered_at: str
    last_active_at: str
    paused_by: str | None
    paused_at: str | None
    holds: list[str] = Field(description="tasks, the one held longest first")


class OneAgent(Answer):
    agent: Agent


class AgentInFull(OneAgent):
    """An agent with what became of its work. Without its token nobody knows its checkpoint."""

    completed: int = Field(description="tasks")
    failed: int = Field(description="tasks")
    expired: int = Field(description="leases that ran out")
    released: int = Field(description="leases given back")
    calls: int
    writes: int = Field(description="requests to GitHub that change something")
    children: list[str]
    health: HealthThen | None
    checkpoint: Checkpoint | None = Field(description="for itself, those above it, and tech-leads")


class Agents(Answer):
    agents: list[Agent]
    next_cursor: str | None


class Managed(Answer):
    agents: list[str] = Field(description="whom it changed")
    released: list[str] = Field(description="the tasks that were given back")


def _status(ctx: Context, row: AgentRow) -> Status:
    if row["left_at"] is not None:
        return "left"
    if row["paused_at"] is not None:
        return "paused"
    quiet = ctx.now - row["last_active_at"]
    if quiet < ctx.shared.idle_after:
        return "active"
    return "idle" if quiet < ctx.shared.inactive_after else "inactive"


async def agent_views(
    ctx: Context, rows: list[AgentRow], most_held: int = MOST_SHOWN
) -> list[Agent]:
    holds: dict[str, list[str]] = {row["id"]: [] for row in rows}
    here = (ctx.tx, ctx.installation_id)
    for each in await agents.holdings(*here, list(holds), most_held):
        if ctx.actor.repositories is None or each["repository_id"] in ctx.actor.repositories:
            name = f"{each['full_name']}#{each['number']}" if each["number"] else each["id"]
            holds[each["holder"]].append(name)
    return [
        Agent(
            id=row["id"],
            name=row["name"],
            system=row["system_name"],
            role=row["role"],
            capabilities=row["capabilities"],
            status=_status(ctx, row),
            parent_id=row["parent_id"],
            registered_at=stamp(row["registered_at"]),
            last_active_at=stamp(row["last_active_at"]),
            paused_by=row["paused_by"],
            paused_at=row["paused_at"] and stamp(row["paused_at"]),
            holds=holds[row["id"]],
        )
        for row in rows
    ]


async def known_agent(ctx: Context, agent_id: str) -> AgentRow:
    row = await agents.get(ctx.tx, ctx.installation_id, agent_id)
    if row is None:
        raise Refused(
            "unknown_agent",
            f"No agent {agent_id!r} is registered in this installation. list_agents shows all.",
        )
    return row


async def _one_agent(ctx: Context, agent_id: str) -> OneAgent:
    (agent,) = await agent_views(ctx, [await known_agent(ctx, agent_id)])
    return OneAgent(agent=agent)


@operation(role="observer", idempotent=True, presence="any")
async def register_agent(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="the agent your token belongs to")],
    name: Annotated[Name, Field(description="a name for people")],
    system: Annotated[System | None, Field(description="claude-code, codex, …")] = None,
    capabilities: Annotated[Capabilities | None, Field(description="what you can do")] = None,
    parent_id: Annotated[
        Parent | None, Field(description="the agent above you; '' for none")
    ] = None,
) -> OneAgent:
    """Register yourself. Call this first, and again when your capabilities change."""
    if agent_id != ctx.actor.name:
        raise Refused(
            "forbidden",
            f"This token belongs to {ctx.actor.name}. Pass `agent_id` {ctx.actor.name}, not "
            f"{agent_id}.",
        )
    if why := NO_AGENTS.get(agent_id):
        raise Refused(
            "invalid_arguments",
            f"`agent_id`: {agent_id!r} cannot be an agent's id, because {why}. Ask the operator of "
            "Hubbub for a token with another id.",
        )
    here = {"installation_id": ctx.installation_id, "id": agent_id}
    times = {"registered_at": ctx.now, "last_active_at": ctx.now}
    row = await agents.enter(ctx.tx, here | {"name": name, "role": ctx.actor.role} | times)
    columns = _given(name=name, system_name=system, capabilities=capabilities)
    columns |= {"role": ctx.actor.role, "last_active_at": ctx.now, "left_at": None}
    await agents.change(ctx.tx, ctx.installation_id, [agent_id], **columns)
    if parent_id is not None:
        await _set_parent(ctx, row, parent_id)
    if row["left_at"] is not None:
        await hierarchy.record(ctx, agent_id, "registered")
    return await _one_agent(ctx, agent_id)


def _given(**columns: Any) -> dict[str, Any]:
    """Without what was left out, which stays as it is."""
    return {column: value for column, value in columns.items() if value is not None}


async def _set_parent(ctx: Context, row: AgentRow, parent_id: str) -> None:
    """Put the agent, whose row is locked, under this parent, or by '' under none. Raise Refused."""
    if parent_id == (row["parent_id"] or ""):
        return
    await hierarchy.check_may_place(ctx, row, parent_id)
    if parent_id:
        await _check_parent(ctx, row["id"], parent_id)
    await agents.change(ctx.tx, ctx.installation_id, [row["id"]], parent_id=parent_id or None)


async def _check_parent(ctx: Context, agent_id: str, parent_id: str) -> None:
    """Raise Refused for who cannot be its parent."""
    if parent_id != agent_id and (await known_agent(ctx, parent_id))["left_at"] is not None:
        raise Refused("unknown_agent", f"`parent_id`: {parent_id} has left.")
    await hierarchy.check_depth(ctx, agent_id, parent_id)


@operation(role="observer", idempotent=True)
async def update_agent(
    ctx: Context,
    agent_id: Annotated[AgentId | None, Field(description="another agent; default: you")] = None,
    name: Annotated[Name | None, Field(description="a name for people")] = None,
    system: Annotated[System | None, Field(description="claude-code, codex, …")] = None,
    capabilities: Annotated[Capabilities | None, Field(description="what you can do")] = None,
    parent_id: Annotated[
        Parent | None, Field(description="the agent above you; '' for none")
    ] = None,
    health: Annotated[Health | None, Field(description="your own measurements")] = None,
    checkpoint: State = None,
    task: TaskRef | None = None,
) -> OneAgent:
    """Change your own entry. What you leave out stays as it is."""
    which = agent_id or ctx.actor.name
    columns = _given(name=name, system_name=system, capabilities=capabilities)
    if which != ctx.actor.name:
        await presence.check_presence(ctx.tx, ctx.actor, "at_work")
        own = health is not None or checkpoint is not None
        _check_may_change(ctx, which, own=own, only_parent=parent_id is not None and not columns)
    if task is not None and checkpoint is None:
        raise Refused(
            "invalid_arguments",
            "Pass `checkpoint` with `task`: the checkpoint is stored for that task.",
        )
    # Before the agent's row is locked: tasks come first.
    if checkpoint is not None:
        await checkpoints.save(ctx, await _held_task_id(ctx, task) if task else "", checkpoint)
    row = await _locked_agent(ctx, which)
    if health is not None:
        columns["health"] = health.model_dump(exclude_none=True) | {"at": ctx.now}
    if columns:
        await agents.change(ctx.tx, ctx.installation_id, [which], **columns)
    if parent_id is not None:
        await _set_parent(ctx, row, parent_id)
    return await _one_agent(ctx, which)


def _check_may_change(ctx: Context, agent_id: str, *, own: bool, only_parent: bool) -> None:
    """Another agent. Raise Refused."""
    if own:
        raise Refused(
            "forbidden",
            f"Only {agent_id} itself can set its `health` and `checkpoint`.",
        )
    if not only_parent and not ctx.actor.may("tech-lead"):
        raise Refused(
            "forbidden",
            f"Only {agent_id} itself and tech-leads may change it. Agents above it may change its "
            f"`parent_id`. {ctx.actor.name} has the role {ctx.actor.role}.",
        )


async def _locked_agent(ctx: Context, agent_id: str) -> AgentRow:
    """Its row, locked. Raise Refused."""
    for row in await agents.locked(ctx.tx, ctx.installation_id, [agent_id]):
        if row["left_at"] is None:
            return row
    own = agent_id == ctx.actor.name
    raise Refused(
        "not_registered",
        "Call register_agent first." if own else f"{agent_id} is not registered.",
    )


async def _held_task_id(ctx: Context, ref: str) -> str:
    """The id of a task that the actor holds. Raise Refused."""
    row = await visible_task(ctx, ref, lock=True)
    overdue = leases.ran_out(row, ctx.now)
    if row["holder"] != ctx.actor.name or overdue:
        raise Refused(
            "not_holder",
            f"You do not hold {ref}, and only its holder can store a checkpoint for it. Call "
            "claim_task first, or leave `task` out to store the checkpoint for yourself.",
            holder=None if overdue else row["holder"],
        )
    task_id: str = row["id"]
    return task_id


@operation(role="observer", reads_only=True)
async def get_agent(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="an agent's id")],
    task: Annotated[TaskRef | None, Field(description="the task whose checkpoint you want")] = None,
) -> AgentInFull:
    """Return one agent: its capabilities, status, tasks, results and checkpoint."""
    row = await known_agent(ctx, agent_id)
    here = (ctx.tx, ctx.installation_id)
    (agent,) = await agent_views(ctx, [row])
    health = row["health"]
    return AgentInFull(
        agent=agent,
        completed=row["completed"],
        failed=row["failed"],
        expired=row["expired"],
        released=row["released"],
        calls=row["calls"],
        writes=await agents.requests_for(*here, agent_id),
        children=await agents.children(*here, [agent_id], MOST_SHOWN),
        health=health and HealthThen(**health | {"at": stamp(health["at"])}),
        checkpoint=await _checkpoint(ctx, agent_id, task),
    )


async def _checkpoint(ctx: Context, agent_id: str, task: str | None) -> Checkpoint | None:
    own = agent_id == ctx.actor.name or ctx.actor.may("tech-lead")
    if not own and not await hierarchy.is_below(ctx, agent_id, ctx.actor.name):
        if task is None:
            return None
        raise Refused(
            "forbidden",
            f"Only {agent_id} itself, agents above it and tech-leads may read its checkpoints. "
            "claim_task returns the checkpoint of a task's last holder.",
        )
    task_id = (await visible_task(ctx, task))["id"] if task else ""
    return await checkpoints.checkpoint_of(ctx, agent_id, task_id)


def _agents_reply(answer: Agents) -> str:
    rows = [(each.id, each.status, each.holds) for each in answer.agents]
    return replies.agent_table(rows, more=answer.next_cursor is not None)


AGENTS = Slash(
    "agents",
    "list the agents, and the tasks that each holds in this repository",
    reply=_agents_reply,
)


@operation(role="observer", reads_only=True, slashes=(AGENTS,))
async def list_agents(
    ctx: Context,
    system: Annotated[System | None, Field(description="only this system")] = None,
    status: Annotated[Status | None, Field(description="only this status")] = None,
    capability: Capability | None = None,
    role: Annotated[Role | None, Field(description="only this role")] = None,
    parent: Annotated[AgentId | None, Field(description="only children of this agent")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Agents:
    """List the agents by id. A short page may have a next_cursor."""
    sought = Sought(
        idle=ctx.now - ctx.shared.idle_after,
        inactive=ctx.now - ctx.shared.inactive_after,
        status=status,
        system=system,
        role=role,
        parent=parent,
        capability=spellings(capability) if capability else None,
    )
    after = decode(cursor)
    rows, end = await agents.page(ctx.tx, ctx.installation_id, sought, after, limit)
    page = await agent_views(ctx, rows, MOST_HELD)
    return Agents(agents=page, next_cursor=encode(end) if end else None)


@operation(role="observer", idempotent=True)
async def manage_agent(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="an agent's id")],
    action: Annotated[Action, Field(description="what to do")],
    with_children: Annotated[bool, Field(description="also all agents below")] = False,  # noqa: FBT002 - an argument by name on every surface
    note: Annotated[Why | None, Field(description="the reason")] = None,
) -> Managed:
    """Pause, resume or unregister yourself, an agent below you, or, as tech-lead, any agent.

    Pause and unregister release its tasks.
    """
    row = await known_agent(ctx, agent_id)
    await _check_may_manage(ctx, agent_id)
    # Its own pause one may end, and then is at work: with those below it too.
    if agent_id != ctx.actor.name or (with_children and action != "resume"):
        await presence.check_presence(ctx.tx, ctx.actor, "at_work")
    if action == "resume" and row["paused_at"] is not None and not hierarchy.may_resume(ctx, row):
        raise Refused(
            "forbidden",
            f"{row['paused_by']} paused {agent_id}. Only {row['paused_by']} or a tech-lead may "
            "resume it.",
            paused_by=row["paused_by"],
        )
    changed, released = await hierarchy.manage(
        ctx, agent_id, action, note, with_children=with_children
    )
    return Managed(agents=changed, released=released)


async def _check_may_manage(ctx: Context, agent_id: str) -> None:
    """Raise Refused."""
    if agent_id == ctx.actor.name or ctx.actor.may("tech-lead"):
        return
    if not await hierarchy.is_below(ctx, agent_id, ctx.actor.name):
        raise Refused(
            "forbidden",
            f"{agent_id} is not below {ctx.actor.name}. Only {agent_id} itself, agents above it "
            "and tech-leads may pause, resume or unregister it.",
        )
