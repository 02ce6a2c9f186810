"""Servers whose tools agents may call, what happened to each, and their tools."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Default, Flag, Index, Json, Table, Text

# `composed`: the composed tools of one repository's settings; it is no server.
MountKind: TypeAlias = Literal["mcp", "openapi", "stdio", "composed"]
MountState: TypeAlias = Literal["running", "stopped"]
# `unknown`: not reached yet. `known`: its tools are in the database. `failing`: the last call or
# look failed.
MountHealth: TypeAlias = Literal["unknown", "known", "connected", "failing"]
LogLevel: TypeAlias = Literal["info", "warning", "error"]
# `parked`: changed, and not accepted yet. `removed`: the server lists it no more.
ToolState: TypeAlias = Literal["active", "parked", "removed"]


class MountRow(TypedDict):
    """`name` is what the names of its tools begin with. `sealed` has the credential."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    name: Annotated[str, Text(40)]
    kind: Annotated[MountKind, Text(20)]
    url: Annotated[str, Text(1000)]
    sealed: bytes
    options: Json
    # The document of an OpenAPI service.
    document: Json | None
    # The ids of the repositories whose agents may call it. NULL: all.
    repositories: Json | None
    state: Annotated[MountState, Text(20)]
    # Grows with each change, so that no connection outlives one.
    version: int
    # Of all its tools, as they were listed last.
    manifest_hash: Annotated[str | None, Text(64)]
    listed_at: int | None
    health: Annotated[MountHealth, Text(20)]
    health_why: Annotated[str | None, Text(600)]
    last_success_at: int | None
    last_failure_at: int | None
    # How often it failed since the last success.
    failures: Annotated[int, SMALL, Default("0")]
    # When Hubbub looks at it by itself. NULL: never.
    probe_at: int | None
    created_by: Annotated[str, Text(120)]
    created_at: int
    updated_at: int


class MountLogRow(TypedDict):
    installation_id: Annotated[int, KEY]
    mount_id: Annotated[str, KEY, Text(40)]
    seq: Annotated[int, KEY]
    at: int
    level: Annotated[LogLevel, Text(10)]
    text: Annotated[str, Text(1000)]


class ToolRow(TypedDict):
    """One tool as it was accepted. `proposed` is the changed one that waits for acceptance."""

    installation_id: Annotated[int, KEY]
    mount_id: Annotated[str, KEY, Text(40)]
    name: Annotated[str, KEY, Text(128)]
    title: Annotated[str, Text(300)]
    description: str
    input_schema: Json
    output_schema: Json | None
    # read_only, idempotent, destructive.
    hints: Json
    # Of title, description, schemas and hints.
    hash: Annotated[str, Text(64)]
    state: Annotated[ToolState, Text(20)]
    proposed: Json | None
    policy: Json
    pinned: Annotated[Flag, Default("0")]
    # Grows with each change that was accepted.
    version: int
    changed_at: int
    accepted_by: Annotated[str | None, Text(120)]


TABLES = (
    Table(
        "mounts",
        MountRow,
        Index("ix_mounts_name", "installation_id", "name", unique=True),
        # Over all installations, for the loop that looks at them.
        Index("ix_mounts_probe", "probe_at"),
    ),
    Table("mount_log", MountLogRow, Index("ix_mount_log_at", "at")),
    Table(
        "tools",
        ToolRow,
        Index("ix_tools_state", "installation_id", "state", "mount_id", "name"),
        Index("ix_tools_pinned", "installation_id", "pinned", "mount_id", "name"),
    ),
)
