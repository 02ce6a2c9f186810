"""How an agent registers, and changes its entry."""

from typing import Annotated, Any

from pydantic import Field

from bot.agents import checkpoints, hierarchy, presence, team_budgets, team_control
from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import NO_AGENTS
from bot.kernel.operation import Context, TaskRef, operation
from bot.messages import newcomers
from bot.operations.agents import resuming, run_results
from bot.operations.agents.arguments import AgentId, Name, Parent, State, System
from bot.operations.agents.views import Health, OneAgent, Registered, known_agent, one_agent
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.usage_reports import Cost
from bot.quotas.money import micros
from bot.tasks.capabilities import Capabilities
from bot.tenants import limits
from store.agents import agents
from store.tables.agents import AgentRow
from store.tables.runs import RunOutcome
from store.tasks import leases


@operation(idempotent=True, presence="any")
async def register_agent(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="your token's agent")],
    name: Annotated[Name, Field(description="a name for people")],
    system: Annotated[System | None, Field(description="claude-code, codex, …")] = None,
    capabilities: Annotated[Capabilities | None, Field(description="what you can do")] = None,
    parent_id: Annotated[
        Parent | None, Field(description="the agent above you; '' for none")
    ] = None,
) -> Registered:
    """Register yourself. Call this first, and again when your capabilities change."""
    if ctx.actor.is_person:
        raise Refused("forbidden", "People need not register. Only agents do.")
    if agent_id != ctx.actor.name:
        raise Refused(
            "forbidden",
            f"This token belongs to {ctx.actor.name}: pass that as `agent_id`, not {agent_id}. "
            "Another agent needs its own token, from the person who runs Hubbub (`hubbub token "
            f"create`). It then registers itself, with `parent_id` {ctx.actor.name}.",
            **permissions.missing(ctx.actor, "register_agent"),
        )
    if why := NO_AGENTS.get(agent_id):
        raise Refused(
            "invalid_arguments",
            f"`agent_id`: {agent_id!r} cannot be an agent's id, because {why}. Ask the operator of "
            "Hubbub for a token with another id.",
        )
    await limits.check_agents(ctx, agent_id)
    now = ctx.events_cursor
    here = {"installation_id": ctx.installation_id, "id": agent_id}
    times = {"registered_at": ctx.now, "last_active_at": ctx.now}
    row = await agents.lock_or_add(ctx.tx, here | {"name": name, "role": ctx.actor.role} | times)
    columns = _without_none(name=name, system_name=system, capabilities=capabilities)
    columns |= {"role": ctx.actor.role, "last_active_at": ctx.now, "left_at": None}
    await agents.change(ctx.tx, ctx.installation_id, [agent_id], **columns)
    if parent_id is not None:
        await _set_parent(ctx, row, parent_id)
    if row["left_at"] is not None:
        await team_control.record(ctx, agent_id, "registered")
        has = row["capabilities"] if capabilities is None else capabilities
        where, role = ctx.installation_id, ctx.actor.role
        await newcomers.deliver_missed(ctx.tx, where, agent_id, role, has)
    registered = await one_agent(ctx, agent_id)
    return Registered(agent=registered.agent, events_cursor=now, **await resuming.held_now(ctx))


def _without_none(**columns: Any) -> dict[str, Any]:
    """The columns to change: those with a value."""
    return {column: value for column, value in columns.items() if value is not None}


async def _set_parent(ctx: Context, row: AgentRow, parent_id: str) -> None:
    """Set the parent; '' stands for none. The caller has locked the row. Raise Refused."""
    if parent_id == (row["parent_id"] or ""):
        return
    await hierarchy.check_may_place(ctx, row, parent_id)
    if parent_id:
        await _check_parent(ctx, row, parent_id)
    here, me = (ctx.tx, ctx.installation_id), row["id"]
    await agents.change(*here, [me], parent_id=parent_id or None)
    # Whoever chooses its parent itself does not get free of a budget by that.
    await team_budgets.mark_team(*here, me, only_adds=me == ctx.actor.name)


async def _check_parent(ctx: Context, row: AgentRow, parent_id: str) -> None:
    """Raise Refused if this agent cannot be the parent."""
    agent_id = row["id"]
    if parent_id != agent_id and (await known_agent(ctx, parent_id))["left_at"] is not None:
        raise Refused("unknown_agent", f"`parent_id`: {parent_id} has left.")
    await hierarchy.check_depth(ctx, agent_id, parent_id)
    parent = await known_agent(ctx, parent_id)
    if parent["paused_at"] is not None and row["paused_at"] is None:
        raise Refused(
            "agent_paused",
            f"`parent_id`: {parent['paused_by']} paused {parent_id}. An agent can be placed below "
            "it when the pause ends. Nothing was changed.",
            paused_by=parent["paused_by"],
        )


@operation(idempotent=True)
async def update_agent(
    ctx: Context,
    agent_id: Annotated[AgentId | None, Field(description="default: you")] = None,
    name: Annotated[Name | None, Field(description="a name for people")] = None,
    system: Annotated[System | None, Field(description="claude-code, codex, …")] = None,
    capabilities: Annotated[Capabilities | None, Field(description="what you can do")] = None,
    parent_id: Annotated[
        Parent | None, Field(description="the agent above you; '' for none")
    ] = None,
    health: Annotated[Health | None, Field(description="your own measurements")] = None,
    checkpoint: State = None,
    task: TaskRef | None = None,
    result: Annotated[
        str | None, Field(max_length=20_000, description="of your run, also so far")
    ] = None,
    outcome: Annotated[RunOutcome | None, Field(description="makes it final")] = None,
    tokens: Annotated[
        int | None, Field(ge=0, lt=2**53, description="budget for it and all below; 0: none")
    ] = None,
    cost: Cost | None = None,
) -> OneAgent:
    """Change your own entry. What you leave out stays as it is."""
    which = agent_id or ctx.actor.name
    columns = _without_none(name=name, system_name=system, capabilities=capabilities)
    if which != ctx.actor.name:
        await presence.check_presence(ctx.tx, ctx.actor, "at_work", ctx.state)
        own = any(each is not None for each in (health, checkpoint, result, outcome))
        of_team = any(each is not None for each in (parent_id, tokens, cost))
        _check_may_change(ctx, which, own=own, only_team=of_team and not columns)
    if task is not None and checkpoint is None:
        raise Refused(
            "invalid_arguments",
            "Pass `checkpoint` with `task`: the checkpoint is stored for that task.",
        )
    cleaned = list[str]()
    if result is not None or outcome is not None:
        cleaned = await run_results.store_result(ctx, which, result, outcome)
    # Save it before locking the agent's row, because tasks must be locked before agents.
    if checkpoint is not None:
        await checkpoints.save(ctx, await _held_task_id(ctx, task) if task else "", checkpoint)
    if tokens is not None or cost is not None:
        await _check_may_budget(ctx, which)
    row = await _locked_agent(ctx, which)
    if health is not None:
        columns["health"] = health.model_dump(exclude_none=True) | {"at": ctx.now}
    if columns:
        await agents.change(ctx.tx, ctx.installation_id, [which], **columns)
    if parent_id is not None:
        await _set_parent(ctx, row, parent_id)
    if tokens is not None or cost is not None:
        millionths = None if cost is None else micros(cost)
        me = ctx.actor.name
        await team_budgets.change(ctx.tx, ctx.installation_id, which, me, tokens, millionths)
    return (await one_agent(ctx, which)).model_copy(update={"cleaned": cleaned})


def _check_may_change(ctx: Context, agent_id: str, *, own: bool, only_team: bool) -> None:
    """Raise Refused if the actor may not change this entry of another agent."""
    if own:
        raise Refused(
            "forbidden",
            f"Only {agent_id} itself can set its `health`, `checkpoint`, `result` and `outcome`.",
            **permissions.missing(ctx.actor, "update_agent.report"),
        )
    if not only_team and not permissions.allows_everywhere(ctx.actor, "update_agent"):
        raise Refused(
            "forbidden",
            f"Only {agent_id} itself, or a tech-lead of the whole installation, may change it. "
            f"Agents above it may change its `parent_id` and its budget. {ctx.actor.name} has the "
            f"role {ctx.actor.role}.",
            **permissions.missing(ctx.actor, "update_agent"),
        )


async def _check_may_budget(ctx: Context, agent_id: str) -> None:
    """Raise Refused if the actor may not set this budget. No agent sets one that limits itself."""
    me, action = ctx.actor.name, "update_agent.budget"
    own = not ctx.actor.is_person and agent_id in await hierarchy.above(
        ctx.tx, ctx.installation_id, me
    )
    is_mine = await hierarchy.is_below(ctx, agent_id, me)
    if not own and (is_mine or permissions.allows_everywhere(ctx.actor, action)):
        return
    also = f" {me} cannot set it, because it limits {me} too." if own else ""
    raise Refused(
        "forbidden",
        f"Only agents above {agent_id}, or a tech-lead, may set its budget (`tokens`, `cost`)."
        f"{also} Nothing was changed.",
        **permissions.missing(ctx.actor, action),
    )


async def _locked_agent(ctx: Context, agent_id: str) -> AgentRow:
    """Lock the agent's row and return it. Raise Refused."""
    for row in await agents.lock(ctx.tx, ctx.installation_id, [agent_id]):
        if row["left_at"] is None:
            return row
    own = agent_id == ctx.actor.name
    raise Refused(
        "not_registered",
        "Call register_agent first."
        if own
        else f"{agent_id} is not registered. It calls register_agent with its own token.",
    )


async def _held_task_id(ctx: Context, ref: str) -> str:
    """The id of a task that the actor holds. Raise Refused."""
    row = await visible_task(ctx, ref, lock=True)
    overdue = leases.is_expired(row, ctx.now)
    if row["holder"] != ctx.actor.name or overdue:
        raise Refused(
            "not_holder",
            f"You do not hold {ref}, and only its holder can store a checkpoint for it. Call "
            "claim_task first, or leave `task` out to store the checkpoint for yourself.",
            holder=None if overdue else row["holder"],
        )
    task_id: str = row["id"]
    return task_id
