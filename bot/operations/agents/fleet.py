"""The agents as people look at them: what each holds and since when, its health and spend."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context, operation
from bot.kernel.pagination import Cursor, decode, encode
from bot.operations.agents.arguments import AgentId, System
from bot.operations.agents.filters import sought_agents
from bot.operations.agents.views import Agent, HealthThen, agent_views, known_agent
from bot.operations.tasks import spend_views, task_titles
from bot.operations.tasks.spend_views import NOT_CHECKED, Used
from bot.operations.tasks.views import BY_OUTSIDER
from bot.tasks.capabilities import Capability
from bot.times import stamp
from store.agents import agents
from store.agents.agents import Status
from store.tables.agents import AgentRow, Role
from store.tables.tasks import TaskState
from store.tasks import lease_history
from store.tasks.lease_history import TaskOfLease

ON_A_PAGE = 25
# Live leases that one page shows of all its agents, and ended ones of a single agent.
MOST_HELD, MOST_ENDED = 250, 20


class HeldLease(BaseModel):
    task: str
    title: str
    title_by: str | None = Field(description=BY_OUTSIDER)
    state: TaskState
    progress: int
    fence: int
    lease: str = Field(description="held, parked, released, completed, expired or revoked")
    since: str
    renewed_at: str
    expires_at: str | None
    ended_at: str | None
    why: str | None


class FleetAgent(Agent):
    leases: list[HeldLease] = Field([], description="that it holds, the oldest first")
    completed: int
    failed: int
    expired: int
    calls: int
    health: HealthThen | None
    usage: list[Used] = Field([], description=NOT_CHECKED)


class Fleet(Answer):
    of_mirror = False

    agents: list[FleetAgent]
    next_cursor: str | None = None


class AgentHistory(Answer):
    of_mirror = False

    held: list[HeldLease] = Field(description="the oldest first")
    ended: list[HeldLease] = Field(description="the newest first, at most 20")


@operation(reads_only=True)
async def get_fleet(
    ctx: Context,
    status: Annotated[Status | None, Field(description="only this status")] = None,
    role: Annotated[Role | None, Field(description="only this role")] = None,
    capability: Capability | None = None,
    system: Annotated[System | None, Field(description="only this system")] = None,
    cursor: Cursor = None,
) -> Fleet:
    """List the agents with what each holds and since when, its health, and its spend."""
    sought = sought_agents(ctx, status=status, system=system, role=role, capability=capability)
    here = (ctx.tx, ctx.installation_id)
    rows, end = await agents.page(*here, sought, decode(cursor), ON_A_PAGE)
    return Fleet(agents=await _fleet_views(ctx, rows), next_cursor=encode(end) if end else None)


@operation(reads_only=True)
async def get_agent_history(
    ctx: Context, agent_id: Annotated[AgentId, Field(description="an agent's id")]
) -> AgentHistory:
    """Return the leases of an agent: those that it holds, and those that ended last."""
    row = await known_agent(ctx, agent_id)
    here, reach = (ctx.tx, ctx.installation_id), ctx.actor.repositories
    held = await lease_history.live_of(*here, [row["id"]], reach, MOST_HELD)
    ended = await lease_history.ended_of(*here, row["id"], reach, MOST_ENDED)
    return AgentHistory(held=await _leases(ctx, held), ended=await _leases(ctx, ended))


async def _fleet_views(ctx: Context, rows: list[AgentRow]) -> list[FleetAgent]:
    views = await agent_views(ctx, rows)
    leases = await _leases_by_holder(ctx, [row["id"] for row in rows])
    return [
        await _fleet_view(ctx, row, view, leases[row["id"]])
        for row, view in zip(rows, views, strict=True)
    ]


async def _leases_by_holder(ctx: Context, holders: Sequence[str]) -> dict[str, list[HeldLease]]:
    found: dict[str, list[HeldLease]] = defaultdict(list)
    here = (ctx.tx, ctx.installation_id)
    rows = await lease_history.live_of(*here, holders, ctx.actor.repositories, MOST_HELD)
    for row, lease in zip(rows, await _leases(ctx, rows), strict=True):
        found[row["holder"]].append(lease)
    return found


async def _fleet_view(
    ctx: Context, row: AgentRow, view: Agent, leases: list[HeldLease]
) -> FleetAgent:
    health = row["health"]
    return FleetAgent(
        **view.model_dump(),
        leases=leases,
        completed=row["completed"],
        failed=row["failed"],
        expired=row["expired"],
        calls=row["calls"],
        health=health and HealthThen(**health | {"at": stamp(health["at"])}),
        usage=await spend_views.of_agent(ctx, row["id"]),
    )


async def _leases(ctx: Context, rows: Sequence[TaskOfLease]) -> list[HeldLease]:
    return [_lease(each) for each in await task_titles.with_titles(ctx, rows)]


def _lease(row: TaskOfLease) -> HeldLease:
    return HeldLease(
        task=f"{row['full_name']}#{row['number']}" if row["number"] else row["task_id"],
        title=row["title"],
        title_by=row["outsider"],
        state=row["task_state"],
        progress=row["progress"],
        fence=row["fence"],
        lease=row["state"],
        since=stamp(row["granted_at"]),
        renewed_at=stamp(row["renewed_at"]),
        expires_at=row["expires_at"] and stamp(row["expires_at"]),
        ended_at=row["ended_at"] and stamp(row["ended_at"]),
        why=row["ended_why"],
    )
