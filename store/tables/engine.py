"""The store's own tables."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, Index, Json, Table, Text


class RequestRow(TypedDict):
    """The answers of committed mutations by request key, for retries after a lost answer."""

    installation_id: Annotated[int, KEY]
    request_key: Annotated[str, KEY, Text(80)]
    at: int
    result: Json


class FactRow(TypedDict):
    name: Annotated[str, KEY, Text(60)]
    value: Annotated[str, Text(500)]


class InstallationFactRow(TypedDict):
    """The same about one installation, so that it lies in one shard with its other rows."""

    installation_id: Annotated[int, KEY]
    name: Annotated[str, KEY, Text(60)]
    value: Annotated[str, Text(500)]


TABLES = (
    Table(
        "requests",
        RequestRow,
        Index("ix_requests_at", "at"),
    ),
    Table("facts", FactRow),
    Table("installation_facts", InstallationFactRow),
)
