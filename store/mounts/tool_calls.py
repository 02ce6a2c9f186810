"""Calls of tools of other servers, what was used of each, and answers that are kept."""

from collections.abc import Mapping
from typing import Any, TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.tool_calls import ToolCallRow, ToolUsageRow

COLUMNS = tuple(ToolCallRow.__annotations__)
USAGE = tuple(ToolUsageRow.__annotations__)
USAGE_KEY = ("installation_id", "day", "mount_id", "tool")
CACHE = ("installation_id", "cache_key", "mount_id", "tool", "expires_at", "result")
CACHE_KEY = ("installation_id", "cache_key")
# Kept answers of an installation.
MOST_KEPT = 2000


class CostOfTool(TypedDict):
    """`cost`: in millionths of the currency."""

    mount_id: str
    tool: str
    calls: int
    cost: int


class CostOfCaller(TypedDict):
    caller: str
    calls: int
    cost: int


async def add(tx: Tx, row: ToolCallRow) -> None:
    await tx.run(sql.insert("tool_calls", COLUMNS), **row)


async def end(tx: Tx, installation_id: int, call_id: str, changed: Mapping[str, Any]) -> None:
    """Record how a call ended: outcome, duration, size, cost, attempts, served_by."""
    await tx.run(
        "UPDATE tool_calls SET outcome = :outcome, duration = :duration, size = :size, "
        "cost = :cost, attempts = :attempts, served_by = :served_by "
        "WHERE installation_id = :i AND id = :c",
        **changed,
        i=installation_id,
        c=call_id,
    )


async def running_since(tx: Tx, before: int, limit: int) -> list[ToolCallRow]:
    """Calls over all installations that run since before this time."""
    found: list[ToolCallRow] = await tx.all(
        "SELECT * FROM tool_calls WHERE outcome = 'running' AND at < :before ORDER BY at LIMIT :n",
        before=before,
        n=limit,
    )
    return found


async def newest(
    tx: Tx, installation_id: int, mount_id: str, tool: str, limit: int
) -> list[ToolCallRow]:
    """The newest calls of a tool first."""
    found: list[ToolCallRow] = await tx.all(
        "SELECT * FROM tool_calls WHERE installation_id = :i AND mount_id = :m AND tool = :t "
        "ORDER BY id DESC LIMIT :n",
        i=installation_id,
        m=mount_id,
        t=tool,
        n=limit,
    )
    return found


async def lock_usage(
    tx: Tx, installation_id: int, day: int, mount_id: str, tool: str
) -> ToolUsageRow:
    """What was used of a tool on a day. Other calls of the tool wait until this one counts."""
    row: ToolUsageRow = {
        "installation_id": installation_id,
        "day": day,
        "mount_id": mount_id,
        "tool": tool,
        "calls": 0,
        "cost": 0,
        "minute": 0,
        "minute_calls": 0,
    }
    await tx.run(sql.insert_new(tx.dialect, "tool_usage", USAGE, USAGE_KEY), **row)
    found: ToolUsageRow | None = await tx.one(
        "SELECT * FROM tool_usage WHERE installation_id = :i AND day = :d AND mount_id = :m "
        "AND tool = :t FOR UPDATE",
        i=installation_id,
        d=day,
        m=mount_id,
        t=tool,
    )
    return found or row


async def usage(
    tx: Tx, installation_id: int, day: int, mount_id: str, tool: str
) -> ToolUsageRow | None:
    """What was used of a tool on a day, if that is counted."""
    found: ToolUsageRow | None = await tx.one(
        "SELECT * FROM tool_usage WHERE installation_id = :i AND day = :d AND mount_id = :m "
        "AND tool = :t",
        i=installation_id,
        d=day,
        m=mount_id,
        t=tool,
    )
    return found


async def put_usage(tx: Tx, row: ToolUsageRow) -> None:
    await tx.run(
        "UPDATE tool_usage SET calls = :calls, cost = :cost, minute = :minute, "
        "minute_calls = :minute_calls WHERE installation_id = :installation_id AND day = :day "
        "AND mount_id = :mount_id AND tool = :tool",
        **row,
    )


async def give_back(
    tx: Tx, installation_id: int, day: int, mount_id: str, tool: str, cost: int
) -> None:
    """Nothing was sent, so the call costs nothing."""
    await tx.run(
        "UPDATE tool_usage SET cost = cost - :cost WHERE installation_id = :i AND day = :d "
        "AND mount_id = :m AND tool = :t AND cost >= :cost",
        cost=cost,
        i=installation_id,
        d=day,
        m=mount_id,
        t=tool,
    )


async def uncount(
    tx: Tx, installation_id: int, day: int, mount_id: str, tool: str, cost: int, minute: int
) -> None:
    """A call that was counted was not made."""
    await tx.run(
        "UPDATE tool_usage SET calls = calls - 1, cost = cost - :cost, minute_calls = "
        "CASE WHEN minute = :minute THEN minute_calls - 1 ELSE minute_calls END "
        "WHERE installation_id = :i AND day = :d AND mount_id = :m AND tool = :t "
        "AND calls > 0 AND cost >= :cost",
        cost=cost,
        minute=minute,
        i=installation_id,
        d=day,
        m=mount_id,
        t=tool,
    )


async def costs_of_day(tx: Tx, installation_id: int, day: int, limit: int) -> list[CostOfTool]:
    """The tools that cost something on a day, the most expensive first."""
    found: list[CostOfTool] = await tx.all(
        "SELECT mount_id, tool, calls, cost FROM tool_usage WHERE installation_id = :i "
        "AND day = :d AND cost > 0 ORDER BY cost DESC, mount_id, tool LIMIT :n",
        i=installation_id,
        d=day,
        n=limit,
    )
    return found


async def costs_of_task(tx: Tx, installation_id: int, task_id: str) -> list[CostOfCaller]:
    """What calls of tools with a price cost while their caller held this task."""
    found: list[CostOfCaller] = await tx.all(
        "SELECT caller, COUNT(*) AS calls, SUM(cost) AS cost FROM tool_calls "
        "WHERE installation_id = :i AND task_id = :t GROUP BY caller ORDER BY caller",
        i=installation_id,
        t=task_id,
    )
    return found


async def kept_answer(tx: Tx, installation_id: int, cache_key: str, now: int) -> Any | None:
    """The answer that is kept for this digest of a call."""
    row = await tx.one(
        "SELECT result FROM tool_cache WHERE installation_id = :i AND cache_key = :k "
        "AND expires_at > :now",
        i=installation_id,
        k=cache_key,
        now=now,
    )
    return json_text.value(row["result"]) if row else None


async def keep_answer(
    tx: Tx, installation_id: int, cache_key: str, tool: tuple[str, str], until: int, result: Any
) -> None:
    """Keep it, unless the installation has very many already."""
    q = "SELECT cache_key FROM tool_cache WHERE installation_id = :i LIMIT :n"
    if len(await tx.all(q, i=installation_id, n=MOST_KEPT)) == MOST_KEPT:
        return
    row = (installation_id, cache_key, *tool, until, json_text.text(result))
    statement = sql.upsert(tx.dialect, "tool_cache", CACHE, CACHE_KEY)
    await tx.run(statement, **dict(zip(CACHE, row, strict=True)))
