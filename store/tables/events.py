"""The event log."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, Index, Json, Table, Text


class HeadRow(TypedDict):
    installation_id: Annotated[int, KEY]
    seq: int


class EventRow(TypedDict):
    installation_id: Annotated[int, KEY]
    seq: Annotated[int, KEY]
    at: int
    kind: Annotated[str, Text(60)]
    subject: Annotated[str, Text(120)]
    actor: Annotated[str, Text(120)]
    data: Json
    # The only agent that may see it; None for everybody.
    audience: Annotated[str | None, Text(64)]
    repository_id: int | None


TABLES = (
    Table("heads", HeadRow),
    Table(
        "events",
        EventRow,
        Index("ix_events_subject", "installation_id", "subject", "seq"),
    ),
)
