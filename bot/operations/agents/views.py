"""What answers show of agents."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from bot.agents.checkpoints import Checkpoint
from bot.errors import Refused
from bot.kernel import remedies
from bot.kernel.operation import Answer, Context
from bot.operations.tasks.spend_views import NOT_CHECKED, TeamBudget, Used
from bot.times import stamp
from store.agents import agents
from store.agents.agents import Status
from store.protocols import endpoints
from store.tables.agents import AgentRow
from store.tables.protocols import EndpointState, Protocol
from store.tables.tasks import TaskState

# The most tasks that an answer shows of each agent in a list, and of a single agent. The second is
# also the most children.
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
    name: str = ""
    system: str = ""
    role: str
    capabilities: list[str] = Field([])
    status: Status
    parent_id: str | None = None
    registered_at: str
    last_active_at: str = ""
    paused_by: str | None = None
    paused_at: str | None = None
    holds: list[str] = Field([], description="tasks that it holds, the oldest lease first")
    reached_by: str = Field(
        "mcp",
        description="mcp, websocket, a2a, openai or callback",
        exclude_if=lambda how: not how,
    )
    unreachable: bool = Field(
        False, description="the last delivery to it failed", exclude_if=lambda is_so: not is_so
    )

    def lean(self) -> Self:
        """Without a name like the id, when one was active that is so now, and the usual way."""
        same = self.name.casefold() == self.id
        seen = "" if self.status == "active" else self.last_active_at
        how = "" if self.reached_by == "mcp" else self.reached_by
        name = "" if same else self.name
        return self.model_copy(update={"name": name, "last_active_at": seen, "reached_by": how})


class OneAgent(Answer):
    of_mirror = False

    agent: Agent
    cleaned: list[str] = Field(
        [], description="what was changed in your result", exclude_if=lambda cleaned: not cleaned
    )


class LeaseNow(BaseModel):
    """A task that the agent holds, with what it needs to go on."""

    task: str
    fence: int
    state: TaskState
    expires_at: str | None = Field(None, exclude_if=lambda at: at is None)
    checkpoint: Any = Field(None, exclude_if=lambda state: state is None)


class Registered(OneAgent):
    # Checkpoints are encrypted in the database.
    sealed: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"checkpoint": True, "leases": {"__all__": {"checkpoint"}}}
    )

    events_cursor: str = Field(description="wait_for_events continues from it")
    leases: list[LeaseNow] = Field(
        [],
        description="what you hold: go on with these fences",
        exclude_if=lambda leases: not leases,
    )
    checkpoint: Any = Field(
        None, description="yours for no task", exclude_if=lambda state: state is None
    )
    left_out: list[str] = Field(
        [],
        description="tasks whose checkpoints do not fit here: get_agent has them",
        exclude_if=lambda left_out: not left_out,
    )


class AgentInFull(OneAgent):
    """An agent with the results of its work."""

    completed: int = Field(description="tasks that it completed")
    failed: int = Field(description="tasks that it reported as failed")
    expired: int = Field(description="leases that expired")
    released: int = Field(description="leases that it released")
    calls: int
    writes: int = Field(description="its requests that changed something on GitHub")
    reported_usage: list[Used] = Field(
        [], description=NOT_CHECKED, exclude_if=lambda reported: not reported
    )
    children: list[str] = Field([])
    budget: TeamBudget | None = Field(
        None, description="for it and all agents below", exclude_if=lambda each: each is None
    )
    health: HealthThen | None = None
    checkpoint: Checkpoint | None = Field(
        None, description="only for the agent itself, agents above it, and tech-leads"
    )


class Agents(Answer):
    of_mirror = False
    omitted = MappingProxyType({"agents": {"__all__": {"registered_at", "paused_at"}}})

    agents: list[Agent]
    next_cursor: str | None = None

    def lean(self) -> Self:
        return self.model_copy(update={"agents": [each.lean() for each in self.agents]})


class Managed(Answer):
    of_mirror = False

    agents: list[str] = Field(description="the agents that were changed")
    released: list[str] = Field([], description="the tasks that were released")
    writes_held: int = Field(0, description="queued writes that wait for the end of the pause")
    writes_cancelled: int = Field(0, description="queued writes that were cancelled")


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
    reached = await endpoints.protocols(*here, list(holds))
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
            **_reach(ctx, row["id"], reached),
        )
        for row in rows
    ]


def _reach(
    ctx: Context, agent_id: str, reached: Mapping[str, tuple[Protocol, EndpointState]]
) -> dict[str, Any]:
    protocol, state = reached.get(agent_id, ("mcp", "off"))
    if state != "off":
        return {"reached_by": protocol, "unreachable": state == "failing"}
    has_socket = ctx.shared.sockets[ctx.installation_id, agent_id] > 0
    return {"reached_by": "websocket" if has_socket else "mcp"}


async def known_agent(ctx: Context, agent_id: str) -> AgentRow:
    row = await agents.get(ctx.tx, ctx.installation_id, agent_id)
    if row is None:
        raise Refused(
            "unknown_agent",
            f"No agent {agent_id!r} is registered in this installation. "
            f"{remedies.by(ctx.actor, person='`/agents`', agent='list_agents')} lists the agents.",
        )
    return row


async def one_agent(ctx: Context, agent_id: str) -> OneAgent:
    (agent,) = await agent_views(ctx, [await known_agent(ctx, agent_id)])
    return OneAgent(agent=agent)
