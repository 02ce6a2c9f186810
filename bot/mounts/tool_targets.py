"""Where a call of a tool goes: to the tool's own server, and to the one that stands in for it.

A call through the other server counts within the limits of the tool there. It is counted before it
is known whether that server is needed, so that calls at the same time never exceed a limit, and
given back if it was not.
"""

from dataclasses import dataclass
from typing import Any

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import Broken, Keys
from bot.mounts import tool_limits
from bot.mounts.specs import spec_of
from bot.mounts.tool_attempts import Target
from bot.tools import tool_access, tool_policies
from bot.tools.tool_arguments import problems
from bot.tools.tool_finding import NamedTool
from store.engine.transaction import Tx
from store.mounts import mounts, tool_calls, tools
from store.tables.mounts import MountRow, ToolRow


@dataclass(frozen=True)
class Spare:
    """The server that stands in. `counted_at`: when its call was counted, if it has limits."""

    target: Target
    counted_at: int | None
    cost: int


def own(keys: Keys, tool: NamedTool) -> Target:
    """The tool at its own server. Raise Refused."""
    found = _target(keys, tool.mount, tool.row)
    if found is None:
        raise Refused(
            "tool_unavailable",
            f"The credential of {tool.mount['name']} cannot be decrypted. A person has to set it "
            "again.",
            why="credential",
        )
    return found


async def spare(
    tx: Tx, keys: Keys, actor: Actor, tool: NamedTool, arguments: dict[str, Any]
) -> Spare | None:
    """The same tool at another server, if the actor may call it there too, and now."""
    i, name = tool.mount["installation_id"], tool.policy.fallback
    mount = await mounts.by_name_for_call(tx, i, name) if name else None
    if mount is None or mount["id"] == tool.mount["id"]:
        return None
    if mount["state"] != "running" or mount["kind"] == mounts.COMPOSED:
        return None
    row = await tools.get(tx, i, mount["id"], tool.row["name"])
    if row is None or row["state"] != "active" or problems(row["input_schema"], arguments):
        return None
    policy = tool_policies.read(row["policy"])
    may = tool_access.may_call(actor, row["policy"], mount["repositories"])
    target = _target(keys, mount, row) if may and not policy.parked else None
    if target is None or not tool_limits.is_limited(policy):
        return Spare(target, None, 0) if target else None
    try:
        cost = await tool_limits.take(tx, i, mount["id"], row["name"], policy, name or "")
    except Refused:
        return None
    return Spare(target, await tx.now(), cost)


def _target(keys: Keys, mount: MountRow, row: ToolRow) -> Target | None:
    try:
        spec = spec_of(keys, mount)
    except Broken:
        return None
    hints = row["hints"]
    is_safe = bool(hints.get("read_only") or hints.get("idempotent"))
    promised = row["output_schema"]
    return Target(mount["id"], mount["name"], row["name"], spec, is_safe, promised)


async def give_back(
    tx: Tx, installation_id: int, counted: Spare, *, was_called: bool, is_free: bool
) -> None:
    """Give back what the other server was not needed for."""
    at, target = counted.counted_at, counted.target
    if at is None:
        return
    which = (installation_id, tool_limits.day_of(at), target.mount_id, target.tool)
    if not was_called:
        await tool_calls.uncount(tx, *which, counted.cost, tool_limits.minute_of(at))
    elif is_free and counted.cost:
        await tool_calls.give_back(tx, *which, counted.cost)
