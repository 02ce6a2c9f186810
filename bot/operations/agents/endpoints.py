"""How Hubbub reaches an agent that does not connect by itself: what tech-leads set and see."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field

from bot import secret_formats
from bot.errors import Refused
from bot.kernel.operation import Answer, Context, operation
from bot.operations.agents import endpoint_protocols, endpoint_settings
from bot.operations.agents.arguments import AgentId, Protocol
from bot.operations.agents.views import known_agent
from bot.operations.manage_checks import check_leads_all, check_unused
from bot.protocols import ends
from bot.times import stamp
from store.protocols import endpoint_deliveries, endpoint_turns, endpoints
from store.tables.agents import Role
from store.tables.protocols import (
    AgentEndpointRow,
    EndpointDeliveryRow,
    EndpointTurnRow,
)

# Deliveries of an agent that an answer shows, and steps of one run.
MOST_DELIVERIES, MOST_TURNS = 50, 200
# Characters of a text in a transcript.
MOST_TEXT = 2000
DeliveryId: TypeAlias = Annotated[str, Field(max_length=40, description="one of its deliveries")]


class EndpointView(BaseModel):
    agent: str
    protocol: str
    address: str = Field(description="the host; the rest is secret")
    state: str = Field(description="active, failing or off")
    why: str | None = Field(None, description="why the last delivery failed")
    options: dict[str, Any]
    has_secret: bool
    last_success_at: str | None = None
    last_failure_at: str | None = None
    created_by: str
    created_at: str


class DeliveryView(BaseModel):
    id: str
    kind: str = Field(description="task, message, cancel or test")
    subject: str = Field(description="the id of the task or the message")
    state: str = Field(description="waiting, sending, delivered, failed or dropped")
    attempts: int
    at: str
    next_at: str | None = None
    ended_at: str | None = None
    error: str | None = None
    remote_id: str | None = None
    data: Any = None


class Endpoint(Answer):
    of_mirror = False
    # A repeated call does not show the secret again.
    sealed: ClassVar[Mapping[str, Any]] = MappingProxyType({"new_secret": True})

    endpoint: EndpointView | None
    new_secret: str | None = Field(
        None,
        description="signs the callbacks; shown once",
        exclude_if=lambda secret: secret is None,
    )


class EndpointInFull(Endpoint):
    deliveries: list[DeliveryView] = Field([], description="the newest first")
    transcript: list[Any] = Field([], description="what a model was sent and answered")


@operation(idempotent=True)
async def manage_agent_endpoint(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="an agent's id")],
    action: Annotated[
        Literal["set", "test", "on", "off", "remove"], Field(description="what to do")
    ],
    protocol: Annotated[Protocol | None, Field(description="with set: what it speaks")] = None,
    url: Annotated[
        str | None, Field(max_length=1000, repr=False, description="with set: its address")
    ] = None,
    secret: Annotated[
        str | None,
        Field(max_length=4000, repr=False, description="its token, or what signs callbacks"),
    ] = None,
    options: Annotated[
        dict[str, Any] | None, Field(description="what the protocol needs besides")
    ] = None,
    role: Annotated[Role, Field(description="of an agent that set registers")] = "developer",
) -> Endpoint:
    """Set, test, turn on or off, or remove the address at which Hubbub reaches an agent."""
    check_sees_all(ctx)
    here = (ctx.tx, ctx.installation_id, agent_id)
    if action == "set":
        wanted = endpoint_settings.Wanted(protocol, url, secret, options, role)
        row, new_secret = await endpoint_settings.put(ctx, agent_id, wanted)
        return Endpoint(endpoint=view(ctx, row), new_secret=new_secret)
    check_unused(action, protocol=protocol, url=url, secret=secret, options=options)
    row = await _existing(ctx, agent_id)
    if action == "test":
        if row["state"] == "off":
            raise Refused("invalid_arguments", f"{agent_id} is off. Turn it on first.")
        await endpoint_deliveries.queue(*here[:2], [agent_id], "test", "")
    elif action == "on":
        await endpoints.set_state(*here, "active")
        await endpoints.let_go(*here)
        ctx.tx.rings.add(endpoint_deliveries.TOPIC)
    else:
        await _turn_off(ctx, row)
        if action == "remove":
            await endpoints.remove(*here)
            return Endpoint(endpoint=None)
    return Endpoint(endpoint=view(ctx, await _existing(ctx, agent_id)))


async def _turn_off(ctx: Context, row: AgentEndpointRow) -> None:
    """Deliver nothing more. Tasks that wait for the agent go to others."""
    here = (ctx.tx, ctx.installation_id, row["agent_id"])
    waiting = await endpoint_deliveries.tasks_waiting(*here)
    await endpoints.set_state(*here, "off")
    await endpoint_deliveries.drop_waiting(*here)
    for each in waiting:
        why = f"{ctx.actor.name} turned its endpoint off"
        await ends.give_back_task(ctx.tx, ctx.installation_id, row["agent_id"], each, why)


@operation(reads_only=True)
async def get_agent_endpoint(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="an agent's id")],
    delivery_id: Annotated[
        DeliveryId | None, Field(description="also show the transcript of this one")
    ] = None,
) -> EndpointInFull:
    """Return how Hubbub reaches an agent, and its last deliveries."""
    check_sees_all(ctx)
    await known_agent(ctx, agent_id)
    here = (ctx.tx, ctx.installation_id)
    row = await endpoints.get(*here, agent_id)
    newest = await endpoint_deliveries.newest(*here, agent_id, MOST_DELIVERIES)
    return EndpointInFull(
        endpoint=row and view(ctx, row),
        deliveries=[_delivery(each) for each in newest],
        transcript=await _transcript(ctx, agent_id, delivery_id) if delivery_id else [],
    )


async def _transcript(ctx: Context, agent_id: str, delivery_id: str) -> list[Any]:
    here = (ctx.tx, ctx.installation_id, delivery_id)
    row = await endpoint_deliveries.get(*here)
    if row is None or row["agent_id"] != agent_id:
        raise Refused(
            "unknown_delivery",
            f"{agent_id} has no delivery {delivery_id!r}. `deliveries` lists the newest.",
        )
    return [_shown_step(each) for each in await endpoint_turns.of(*here, MOST_TURNS)]


def _shown_step(row: EndpointTurnRow) -> Any:
    """A step without secrets, and with the beginning of long texts."""
    step = row["content"]
    shown = [_shown_message(each) for each in step["messages"]]
    return {"at": stamp(row["at"]), "kind": step["kind"], "used": step["used"], "messages": shown}


def _shown_message(message: dict[str, Any]) -> dict[str, Any]:
    calls = [
        {"name": each["function"]["name"], "arguments": _shown_text(each["function"]["arguments"])}
        for each in message.get("tool_calls", ())
    ]
    text = _shown_text(message["content"])
    return {"role": message["role"], "content": text, "calls": calls}


def _shown_text(text: str) -> str:
    return secret_formats.mask(text)[0][:MOST_TEXT]


def check_sees_all(ctx: Context) -> None:
    """An agent may work in all repositories. Raise Refused."""
    check_leads_all(ctx, "see and change how agents are reached")


async def _existing(ctx: Context, agent_id: str) -> AgentEndpointRow:
    """Raise Refused."""
    await known_agent(ctx, agent_id)
    row = await endpoints.get(ctx.tx, ctx.installation_id, agent_id, lock=True)
    if row is None:
        raise Refused(
            "unknown_endpoint",
            f"{agent_id} has no endpoint: it connects by itself. Pass `action` set to give it one.",
        )
    return row


def view(ctx: Context, row: AgentEndpointRow) -> EndpointView:
    return EndpointView(
        agent=row["agent_id"],
        protocol=endpoint_protocols.protocol_of(row),
        address=row["shown"],
        state=row["state"],
        why=row["why"],
        options=endpoint_protocols.options_of(row),
        has_secret=endpoint_settings.has_secret(ctx, row),
        last_success_at=row["last_success_at"] and stamp(row["last_success_at"]),
        last_failure_at=row["last_failure_at"] and stamp(row["last_failure_at"]),
        created_by=row["created_by"],
        created_at=stamp(row["created_at"]),
    )


def _delivery(row: EndpointDeliveryRow) -> DeliveryView:
    return DeliveryView(
        id=row["id"],
        kind=row["kind"],
        subject=row["subject"],
        state=row["state"],
        attempts=row["attempts"],
        at=stamp(row["created_at"]),
        next_at=stamp(row["not_before"]) if row["state"] == "waiting" else None,
        ended_at=row["ended_at"] and stamp(row["ended_at"]),
        error=row["error"],
        remote_id=row["remote_id"],
        data=row["data"],
    )
