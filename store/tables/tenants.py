"""What the operator set for one account, and what the account used."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, Json, Table, Text


class TenantRow(TypedDict):
    """What differs from the server's settings for one installation.

    `quotas`: by name, the most of one agent and of all agents. `caps`: as HUBBUB_SPEND_CAPS has
    them. `name` and `color` are what people see; empty is Hubbub's own.
    """

    installation_id: Annotated[int, KEY]
    quotas: Json
    caps: Annotated[str, Text(200)]
    name: Annotated[str, Text(60)]
    color: Annotated[str, Text(7)]
    changed_at: int
    changed_by: Annotated[str, Text(120)]


class TenantCountRow(TypedDict):
    """How often something happened in an installation on a day since 1970 in UTC."""

    installation_id: Annotated[int, KEY]
    day: Annotated[int, KEY]
    name: Annotated[str, KEY, Text(40)]
    n: int


class TenantCursorRow(TypedDict):
    """How far an installation is counted: its events, its calls of tools, its agents' totals."""

    installation_id: Annotated[int, KEY]
    seq: int
    calls: int
    stored_bytes: int
    # The id of the last call of a tool that is counted.
    tool_call: Annotated[str, Text(40)]


TABLES = (
    Table("tenants", TenantRow),
    Table("tenant_counts", TenantCountRow),
    Table("tenant_cursors", TenantCursorRow),
)
