"""Finds the tool that a caller names, and says why it cannot be called."""

from dataclasses import dataclass

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel import argument_errors
from bot.times import minute
from bot.tools import tool_access, tool_names, tool_policies
from bot.tools.tool_policies import ToolPolicy
from store.engine.transaction import Tx
from store.mounts import mounts, tool_lookup, tools
from store.tables.mounts import MountRow, ToolRow

# Names among which a similar one is looked for.
MOST_NAMES = 500


@dataclass(frozen=True)
class NamedTool:
    mount: MountRow
    row: ToolRow
    policy: ToolPolicy

    @property
    def name(self) -> str:
        return tool_names.public_name(self.mount["name"], self.row["name"])


async def find(tx: Tx, actor: Actor, name: str) -> NamedTool:
    """The tool with this public name. Raise Refused if there is none within reach."""
    parts = tool_names.split(name)
    if parts is None:
        raise Refused(
            "unknown_tool",
            f"{name[:80]!r} does not name a tool of a server: such names have two underscores, as "
            "linear__create_issue. find_tools lists them.",
        )
    server, shown = parts
    mount = await mounts.by_name_for_call(tx, actor.installation_id, server)
    if mount is None or not tool_access.reaches(actor, mount["repositories"]):
        raise Refused(
            "unknown_tool",
            f"There is no tool {name!r}: you can reach no server with this name, and no plug-in "
            "that is on has it. find_tools lists the tools that you may call.",
        )
    row = await _row(tx, mount, shown)
    if row is None:
        raise await _unknown(tx, actor, mount, name)
    return NamedTool(mount, row, tool_policies.read(row["policy"]))


async def _row(tx: Tx, mount: MountRow, shown: str) -> ToolRow | None:
    here = (tx, mount["installation_id"], mount["id"])
    # People may write a name as the server does, also one that no model's interface takes.
    if row := await tools.get(*here, shown):
        return row
    real = tool_names.real_name(mount["name"], shown, await tool_lookup.names(*here))
    return await tools.get(*here, real) if real else None


async def _unknown(tx: Tx, actor: Actor, mount: MountRow, name: str) -> Refused:
    found = await tool_lookup.active(tx, actor.installation_id, mount["name"])
    known = [
        tool_names.public_name(mount["name"], each["name"])
        for each in found[:MOST_NAMES]
        if tool_access.may_call(actor, each["policy"], each["repositories"])
    ]
    hint = argument_errors.nearest(name, known)
    return Refused(
        "unknown_tool",
        f"{mount['name']} has no tool {name[:80]!r}{hint}. find_tools lists its tools.",
    )


def check(actor: Actor, tool: NamedTool) -> None:
    """Raise Refused unless the actor may call the tool now."""
    policy = tool.policy.model_dump()
    if not tool_access.may_call(actor, policy, tool.mount["repositories"]):
        raise Refused(
            "forbidden",
            f"{tool.name} needs the role {tool.policy.role}; {actor.name} has {actor.role}.",
            needs=tool.policy.role,
            has=actor.role,
        )
    if tool.mount["state"] != "running":
        raise Refused(
            "tool_unavailable",
            f"The tools of {tool.mount['name']} are stopped. A person has to start it."
            if tool.mount["kind"] == mounts.COMPOSED
            else f"The server {tool.mount['name']} is stopped. A person has to start it.",
            why="stopped",
        )
    if tool.policy.parked or tool.row["state"] != "active":
        raise _why_parked(tool)


def _why_parked(tool: NamedTool) -> Refused:
    when, who = minute(tool.row["changed_at"]), "A person with the role tech-lead"
    if tool.row["state"] == "removed":
        lists = (
            "The repository's settings have"
            if tool.mount["kind"] == mounts.COMPOSED
            else "The server lists"
        )
        return Refused("unknown_tool", f"{lists} {tool.name} no more, since {when}.", since=when)
    if tool.policy.parked:
        why = f"{tool.name} is parked: people do not want it to be called now. {who} can unpark it."
    elif tool.row["version"]:
        why = (
            f"{tool.name} is parked: its server changed what it says or takes, at {when}. {who} "
            "can read the difference and accept it, on the page under Tool servers."
        )
    else:
        why = (
            f"{tool.name} is parked: its server added it, at {when}, and nobody has accepted it. "
            f"{who} can, on the page under Tool servers."
        )
    return Refused("tool_parked", f"{why} Nothing was sent.", since=when)
