"""Agents that Hubbub reaches itself: their addresses, and what it delivers there."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Default, Index, Json, Table, Text

# `plugin`: one that a plug-in adds; the options name it.
Protocol: TypeAlias = Literal["a2a", "openai", "callback", "plugin"]
# `failing`: the last delivery was given up; the next one is tried all the same.
EndpointState: TypeAlias = Literal["active", "failing", "off"]
DeliveryKind: TypeAlias = Literal["task", "message", "cancel", "test"]
# `dropped`: it was no longer wanted, for example because somebody else has the task.
DeliveryState: TypeAlias = Literal["waiting", "sending", "delivered", "failed", "dropped"]


class AgentEndpointRow(TypedDict):
    """Where an agent is reached. `sealed` has the address and the secret."""

    installation_id: Annotated[int, KEY]
    agent_id: Annotated[str, KEY, Text(64)]
    protocol: Annotated[Protocol, Text(20)]
    # The part of the address that is no secret.
    shown: Annotated[str, Text(255)]
    sealed: bytes
    # What the protocol needs besides; see `bot.protocols.routing`.
    options: Json
    state: Annotated[EndpointState, Text(20)]
    # Why it is failing.
    why: Annotated[str | None, Text(300)]
    # Deliveries given up since the last success.
    failures: Annotated[int, SMALL, Default("0")]
    # When the next of its deliveries is due. NULL: none waits.
    due_at: int | None
    # A process works on a delivery until then. Another one goes on after it.
    taken_until: Annotated[int, Default("0")]
    last_success_at: int | None
    last_failure_at: int | None
    created_by: Annotated[str, Text(120)]
    created_at: int
    updated_at: int


class EndpointDeliveryRow(TypedDict):
    """One task, message or cancellation for an agent with an endpoint."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    agent_id: Annotated[str, Text(64)]
    kind: Annotated[DeliveryKind, Text(20)]
    # The id of the task or the message; empty for a test.
    subject: Annotated[str, Text(40)]
    state: Annotated[DeliveryState, Text(20)]
    # How often it was begun.
    attempts: Annotated[int, SMALL, Default("0")]
    # How often that failed since it last made progress.
    failures: Annotated[int, SMALL, Default("0")]
    not_before: int
    # The name that the other side has for it.
    remote_id: Annotated[str | None, Text(255)]
    # What the protocol's module keeps between its steps.
    data: Json | None
    created_at: int
    ended_at: int | None
    # Why the last attempt failed.
    error: Annotated[str | None, Text(300)]


class EndpointTurnRow(TypedDict):
    """A step of a task that Hubbub runs with a model: what was sent and what came back."""

    installation_id: Annotated[int, KEY]
    delivery_id: Annotated[str, KEY, Text(40)]
    seq: Annotated[int, KEY]
    content: Json
    at: int


class ProtocolContextRow(TypedDict):
    """The context in which a client of A2A made a task. Without one, it is the task's id."""

    installation_id: Annotated[int, KEY]
    task_id: Annotated[str, KEY, Text(40)]
    # Whose context it is: other callers have their own names.
    owner: Annotated[str, Text(120)]
    context_id: Annotated[str, Text(200)]
    # The request key of the message that made it.
    message: Annotated[str, Text(60)]
    at: int


TABLES = (
    Table(
        "protocol_contexts",
        ProtocolContextRow,
        Index("ix_protocol_contexts_context", "installation_id", "owner", "context_id", "at"),
    ),
    Table(
        "agent_endpoints",
        AgentEndpointRow,
        Index("ix_agent_endpoints_due", "protocol", "due_at"),
    ),
    Table(
        "endpoint_deliveries",
        EndpointDeliveryRow,
        Index("ix_endpoint_deliveries_next", "installation_id", "agent_id", "state", "not_before"),
        Index("ix_endpoint_deliveries_agent", "installation_id", "agent_id", "created_at"),
        Index("ix_endpoint_deliveries_state", "state", "not_before"),
        Index("ix_endpoint_deliveries_ended", "installation_id", "state", "ended_at"),
    ),
    Table("endpoint_turns", EndpointTurnRow),
)
