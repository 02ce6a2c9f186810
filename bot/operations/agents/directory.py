"""Looking up one agent, or a list of them."""

from typing import Annotated

from pydantic import Field

from bot.agents import checkpoints, hierarchy
from bot.agents.checkpoints import Checkpoint
from bot.comments import replies
from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context, Slash, TaskRef, operation
from bot.kernel.pagination import Cursor, Limit, decode, encode
from bot.operations.agents.arguments import AgentId, System
from bot.operations.agents.filters import sought_agents
from bot.operations.agents.views import (
    MOST_HELD,
    MOST_SHOWN,
    AgentInFull,
    Agents,
    HealthThen,
    agent_views,
    known_agent,
)
from bot.operations.tasks import spend_views
from bot.operations.tasks.access import visible_task
from bot.tasks.capabilities import Capability
from bot.times import stamp
from store.agents import agents
from store.agents.agents import Status
from store.tables.agents import Role


@operation(reads_only=True)
async def get_agent(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="an agent's id")],
    task: Annotated[TaskRef | None, Field(description="whose checkpoint you want")] = None,
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
        reported_usage=await spend_views.of_agent(ctx, agent_id),
        budget=next(iter(await spend_views.team_budgets(ctx, [agent_id])), None),
        children=await agents.children(*here, [agent_id], MOST_SHOWN),
        health=health and HealthThen(**health | {"at": stamp(health["at"])}),
        checkpoint=await _checkpoint(ctx, agent_id, task),
    )


async def _checkpoint(ctx: Context, agent_id: str, task: str | None) -> Checkpoint | None:
    action = "get_agent.checkpoint"
    # A checkpoint for a task belongs to the task's repository, and another one to none.
    leads = permissions.allows if task else permissions.allows_everywhere
    may = agent_id == ctx.actor.name or leads(ctx.actor, action)
    if not may and not await hierarchy.is_below(ctx, agent_id, ctx.actor.name):
        if task is None:
            return None
        raise Refused(
            "forbidden",
            f"Only {agent_id} itself, agents above it or a tech-lead may read its checkpoints. "
            "A claim returns the checkpoint of the task's last holder.",
            **permissions.missing(ctx.actor, action),
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


@operation(reads_only=True, slashes=(AGENTS,))
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
    """List the agents by id."""
    sought = sought_agents(
        ctx, status=status, system=system, role=role, capability=capability, parent=parent
    )
    after = decode(cursor)
    rows, end = await agents.page(ctx.tx, ctx.installation_id, sought, after, limit)
    page = await agent_views(ctx, rows, MOST_HELD)
    return Agents(agents=page, next_cursor=encode(end) if end else None)
