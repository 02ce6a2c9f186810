"""Agents: who they are and what they can do."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field

from bot.actor import SLUG
from bot.errors import Refused
from bot.operation import Answer, Context, operation
from bot.pages import Cursor, Limit, decode, encode
from bot.times import stamp
from store import agents
from store.transaction import Row

AgentId: TypeAlias = Annotated[str, Field(pattern=f"^{SLUG}$", description="slug")]
Capability: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.#-]{0,62}$")]
Status: TypeAlias = Literal["active", "idle", "inactive"]


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


class OneAgent(Answer):
    agent: Agent


class Agents(Answer):
    agents: list[Agent]
    next_cursor: str | None


def status_of(ctx: Context, last_active_at: int) -> Status:
    quiet = ctx.now - last_active_at
    if quiet < ctx.shared.idle_after:
        return "active"
    return "idle" if quiet < ctx.shared.inactive_after else "inactive"


def shown(ctx: Context, row: Row) -> Agent:
    return Agent(
        id=row["id"],
        name=row["name"],
        system=row["system_name"],
        role=row["role"],
        capabilities=row["capabilities"],
        status=status_of(ctx, row["last_active_at"]),
        parent_id=row["parent_id"],
        registered_at=stamp(row["registered_at"]),
        last_active_at=stamp(row["last_active_at"]),
    )


async def known(ctx: Context, agent_id: str) -> Row:
    row = await agents.get(ctx.tx, ctx.installation_id, agent_id)
    if row is None:
        raise Refused(
            "unknown_agent",
            f"No agent {agent_id!r} has registered in this installation. list_agents shows those "
            "that have.",
        )
    return row


@operation(role="observer", idempotent=True)
async def register_agent(
    ctx: Context,
    agent_id: AgentId,
    name: Annotated[str, Field(min_length=1, max_length=200)],
    system: Annotated[str, Field(max_length=80, description="claude-code, codex, …")] = "",
    capabilities: Annotated[list[Capability], Field(max_length=50)] = [],  # noqa: B006 - pydantic copies it
    parent_id: AgentId | None = None,
) -> OneAgent:
    """Introduce yourself: call this first, and again whenever what you can do changes."""
    if agent_id != ctx.actor.name:
        raise Refused(
            "forbidden",
            f"This token is {ctx.actor.name}'s: register as {ctx.actor.name}, not as {agent_id}.",
        )
    if parent_id is not None:
        await known(ctx, parent_id)
    await agents.register(
        ctx.tx,
        {
            "installation_id": ctx.installation_id,
            "id": agent_id,
            "name": name,
            "system_name": system,
            "role": ctx.actor.role,
            "capabilities": sorted(set(capabilities)),
            "parent_id": parent_id,
            "registered_at": ctx.now,
            "last_active_at": ctx.now,
        },
    )
    return OneAgent(agent=shown(ctx, await known(ctx, agent_id)))


@operation(role="observer", idempotent=True)
async def update_agent(
    ctx: Context,
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None,
    system: Annotated[str, Field(max_length=80)] | None = None,
    capabilities: Annotated[list[Capability], Field(max_length=50)] | None = None,
) -> OneAgent:
    """Change what you said about yourself; what you leave out stays."""
    row = await agents.get(ctx.tx, ctx.installation_id, ctx.actor.name)
    if row is None:
        raise Refused("not_registered", "Call register_agent first.")
    changed = {"name": name, "system_name": system, "capabilities": capabilities}
    new = row | {k: v for k, v in changed.items() if v is not None} | {"last_active_at": ctx.now}
    await agents.register(ctx.tx, new)
    return OneAgent(agent=shown(ctx, await known(ctx, ctx.actor.name)))


@operation(role="observer", reads_only=True)
async def get_agent(ctx: Context, agent_id: AgentId) -> OneAgent:
    """One agent: what it can do, and when it was last heard of."""
    return OneAgent(agent=shown(ctx, await known(ctx, agent_id)))


@operation(role="observer", reads_only=True)
async def list_agents(
    ctx: Context,
    status: Status | None = None,
    capability: Capability | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Agents:
    """The agents of this installation, by id."""
    found: list[Agent] = []
    after = decode(cursor)
    while len(found) <= limit:
        rows = await agents.listed(ctx.tx, ctx.installation_id, after, 200)
        found += [a for a in (shown(ctx, r) for r in rows) if _fits(a, status, capability)]
        if len(rows) < 200:
            break
        after = rows[-1]["id"]
    page = found[:limit]
    return Agents(agents=page, next_cursor=encode(page[-1].id) if len(found) > limit else None)


def _fits(agent: Agent, status: Status | None, capability: str | None) -> bool:
    return status in (None, agent.status) and (
        capability is None or capability in agent.capabilities
    )
