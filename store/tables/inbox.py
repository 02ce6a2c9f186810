"""What GitHub sends: deliveries, and the commands found in them."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, SMALL, Default, Index, Json, Table, Text


class DeliveryRow(TypedDict):
    installation_id: Annotated[int, KEY]
    guid: Annotated[str, KEY, Text(80)]
    event: Annotated[str, Text(80)]
    action: Annotated[str, Text(80)]
    repository_id: int | None
    state: Annotated[str, Text(20)]
    outcome: Annotated[str | None, Text(20)]
    attempts: Annotated[int, SMALL, Default("0")]
    not_before: int
    error: str | None
    received_at: int
    processed_at: int | None
    payload: bytes
    # The issue or pull request of a text that may have commands, and when the text was first
    # written. NULL for other deliveries.
    number: int | None
    text_at: int | None
    # The trace that it belongs to, as a W3C traceparent. NULL while traces are off.
    trace: Annotated[str | None, Text(60)]


class CommandRow(TypedDict):
    installation_id: Annotated[int, KEY]
    source_kind: Annotated[str, KEY, Text(20)]
    source_id: Annotated[int, KEY]
    text_hash: Annotated[str, KEY, Text(64)]
    nth: Annotated[int, KEY, SMALL]
    repository_id: int
    number: int
    line: Annotated[int, SMALL]
    verb: Annotated[str, Text(80)]
    words: Json
    text: str
    asker: Annotated[str, Text(100)]
    # GitHub's id of the asker, whose login may change; 0 if the payload has none.
    asker_id: Annotated[int, Default("0")]
    state: Annotated[str, Text(20)]
    attempts: Annotated[int, SMALL, Default("0")]
    not_before: int
    written_at: int
    received_at: int
    answered_at: int | None
    answer: str | None
    # Since when it waits for an answer of GitHub: its author's permission, or its text.
    asked_at: int | None
    # The trace that it belongs to, as a W3C traceparent. NULL while traces are off.
    trace: Annotated[str | None, Text(60)]


class LostDeliveryRow(TypedDict):
    """Deliveries that GitHub has and the inbox lacks: what the mirror is known to miss."""

    installation_id: Annotated[int, KEY]
    guid: Annotated[str, KEY, Text(80)]
    delivery_id: int
    repository_id: int | None
    event: Annotated[str, Text(80)]
    action: Annotated[str, Text(80)]
    delivered_at: int
    attempts: Annotated[int, SMALL, Default("0")]
    not_before: int
    error: str | None


TABLES = (
    Table(
        "deliveries",
        DeliveryRow,
        Index("ix_deliveries_state", "state", "not_before"),
        Index("ix_deliveries_received", "installation_id", "state", "received_at"),
        Index("ix_deliveries_number", "installation_id", "repository_id", "number", "state"),
    ),
    Table(
        "commands",
        CommandRow,
        Index("ix_commands_state", "state", "not_before"),
        Index("ix_commands_waiting", "installation_id", "state", "not_before"),
        Index("ix_commands_number", "installation_id", "repository_id", "state", "number"),
    ),
    Table(
        "lost_deliveries",
        LostDeliveryRow,
        Index("ix_lost_deliveries_due", "not_before", "delivered_at"),
    ),
)
