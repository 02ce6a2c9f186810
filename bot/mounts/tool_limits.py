"""How often a tool may be called, and what that may cost: counted in the database, for all."""

from bot.errors import Refused
from bot.quotas.money import amount, micros
from bot.times import DAY, MINUTE, SECOND
from bot.tools.tool_policies import ToolPolicy
from store.engine.transaction import Tx
from store.mounts import tool_calls


def is_limited(policy: ToolPolicy) -> bool:
    """Whether anything of the tool is counted."""
    limits = (policy.calls_a_minute, policy.calls_a_day, policy.price)
    return any(each is not None for each in limits)


def day_of(now: int) -> int:
    return now - now % DAY


def minute_of(now: int) -> int:
    return now - now % MINUTE


async def take(
    tx: Tx, installation_id: int, mount_id: str, tool: str, policy: ToolPolicy, name: str
) -> int:
    """Count a call, and return its cost. Raise Refused, and count nothing, beyond a limit."""
    if not is_limited(policy):
        return 0
    now = await tx.now()
    row = await tool_calls.lock_usage(tx, installation_id, day_of(now), mount_id, tool)
    minute = minute_of(now)
    in_minute = row["minute_calls"] if row["minute"] == minute else 0
    cost = policy.price_micros
    to_minute, to_day = minute + MINUTE - now, day_of(now) + DAY - now
    if policy.calls_a_minute is not None and in_minute >= policy.calls_a_minute:
        raise _refusal(name, f"{policy.calls_a_minute} calls a minute", to_minute, "calls_a_minute")
    if policy.calls_a_day is not None and row["calls"] >= policy.calls_a_day:
        raise _refusal(name, f"{policy.calls_a_day} calls a day", to_day, "calls_a_day")
    if policy.cost_a_day is not None and row["cost"] + cost > micros(policy.cost_a_day):
        said = f"a cost of {amount(micros(policy.cost_a_day))} a day"
        raise _refusal(name, said, to_day, "cost_a_day")
    await tool_calls.put_usage(
        tx,
        {
            **row,
            "calls": row["calls"] + 1,
            "cost": row["cost"] + cost,
            "minute": minute,
            "minute_calls": in_minute + 1,
        },
    )
    return cost


def _refusal(name: str, limit: str, wait: int, which: str) -> Refused:
    seconds = max(1, -(-wait // SECOND))
    return Refused(
        "tool_limit",
        f"All agents together may use {name} up to {limit}, and that is used up. Nothing was "
        f"sent. Call again in {seconds} s, or do without it.",
        limit=which,
        retry_after_s=seconds,
    )
