"""The documents that agents share."""

from typing import Annotated, Literal, TypedDict

from store.tables.columns import KEY, Default, Index, Json, Table, Text


class ContextRow(TypedDict):
    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    name: Annotated[str, Text(200)]
    owner: Annotated[str, Text(120)]
    kind: Annotated[Literal["json", "text"], Text(10)]
    version: int
    task_id: Annotated[str | None, Text(40)]
    created_at: int
    updated_at: int


class ContextVersionRow(TypedDict):
    """Only ever added to. The checksum is that of the content before it was sealed."""

    installation_id: Annotated[int, KEY]
    context_id: Annotated[str, KEY, Text(40)]
    version: Annotated[int, KEY]
    author: Annotated[str, Text(120)]
    at: int
    note: Annotated[str, Text(500), Default("''")]
    checksum: Annotated[str, Text(64)]
    # The size of the content, in bytes of UTF-8.
    size: int
    # Which secret it is sealed under.
    key_id: Annotated[str, Text(20)]
    sealed: bytes


class ContextGrantRow(TypedDict):
    installation_id: Annotated[int, KEY]
    context_id: Annotated[str, KEY, Text(40)]
    # An agent's id, role:developer, task:<id>.
    grantee: Annotated[str, KEY, Text(140)]
    access: Annotated[Literal["read", "write"], Text(10)]
    granted_by: Annotated[str, Text(120)]
    granted_at: int


class ContextSnapshotRow(TypedDict):
    """Several contexts as they were at one moment: versions by context id."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    name: Annotated[str, Text(200)]
    author: Annotated[str, Text(120)]
    at: int
    members: Json


TABLES = (
    Table(
        "contexts",
        ContextRow,
        Index("ix_contexts_owner", "installation_id", "owner", "id"),
        Index("ix_contexts_task", "installation_id", "task_id", "id"),
    ),
    Table(
        "context_versions",
        ContextVersionRow,
        Index("ix_context_versions_key", "key_id"),
    ),
    Table(
        "context_grants",
        ContextGrantRow,
        Index("ix_context_grants_grantee", "installation_id", "grantee", "context_id"),
    ),
    Table(
        "context_snapshots",
        ContextSnapshotRow,
        Index("ix_context_snapshots_author", "installation_id", "author", "id"),
    ),
)
