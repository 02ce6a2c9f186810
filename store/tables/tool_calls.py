"""Calls of tools of other servers: what each did, what they cost by day, and kept answers."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, SMALL, Default, Flag, Index, Json, Table, Text

# The kind of the ids of calls.
TOOL_CALL = "x"


class ToolCallRow(TypedDict):
    """One call. `outcome`: `running`, `ok`, `tool_error`, or the code of the error."""

    installation_id: Annotated[int, KEY]
    # Grows with time.
    id: Annotated[str, KEY, Text(40)]
    mount_id: Annotated[str, Text(40)]
    tool: Annotated[str, Text(128)]
    caller: Annotated[str, Text(120)]
    # If the call has a price: the task that the caller held, or of the step that the tool does.
    task_id: Annotated[str | None, Text(40)]
    at: int
    outcome: Annotated[str, Text(40)]
    # Microseconds.
    duration: int
    # Of the result.
    size: int
    # In millionths of the currency.
    cost: int
    attempts: Annotated[int, SMALL, Default("0")]
    # The answer was kept from an earlier call.
    cached: Annotated[Flag, Default("0")]
    # The mount that answered in place of its own.
    served_by: Annotated[str | None, Text(40)]


class ToolUsageRow(TypedDict):
    """What was used of a tool with a price or a limit on one day. `day`: its first microsecond."""

    installation_id: Annotated[int, KEY]
    day: Annotated[int, KEY]
    mount_id: Annotated[str, KEY, Text(40)]
    tool: Annotated[str, KEY, Text(128)]
    calls: int
    cost: int
    # The newest minute with a call, by its first microsecond, and the calls in it.
    minute: int
    minute_calls: int


class ToolCacheRow(TypedDict):
    """An answer that is kept. `cache_key`: a digest of tool, version and arguments."""

    installation_id: Annotated[int, KEY]
    cache_key: Annotated[str, KEY, Text(64)]
    mount_id: Annotated[str, Text(40)]
    tool: Annotated[str, Text(128)]
    expires_at: int
    result: Json


TABLES = (
    Table(
        "tool_calls",
        ToolCallRow,
        Index("ix_tool_calls_tool", "installation_id", "mount_id", "tool", "id"),
        Index("ix_tool_calls_task", "installation_id", "task_id"),
        Index("ix_tool_calls_outcome", "outcome", "at"),
    ),
    Table("tool_usage", ToolUsageRow),
    Table("tool_cache", ToolCacheRow, Index("ix_tool_cache_expires", "expires_at")),
)
