"""What a server lists, compared with what was accepted of it.

The first list is accepted with the server. After that, a tool that is new or says something else
is parked until somebody accepts it: its text could steer the agents that read it.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.kernel import tool_lists
from bot.tool_servers.connections import ToolSpec
from store.engine.transaction import Tx
from store.mounts import tools
from store.tables.mounts import MountRow, ToolRow

NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
MOST_TOOLS = 1000
LONGEST_TITLE, LONGEST_DESCRIPTION, LARGEST_SCHEMA = 300, 10_000, 65_536


@dataclass
class Listing:
    """The tools that can be used, and why others were left out."""

    tools: list[ToolSpec] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass
class Changes:
    """Names of tools: what became of each since the list before."""

    accepted: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    manifest_hash: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.accepted or self.parked or self.removed or self.returned)


def usable_tools(found: Sequence[ToolSpec]) -> Listing:
    """Without tools that Hubbub cannot offer."""
    made = Listing()
    seen: set[str] = set()
    for each in found:
        if problem := _problem(each, seen):
            made.left_out.append(problem)
        elif len(made.tools) == MOST_TOOLS:
            made.left_out.append(f"there are more than {MOST_TOOLS} tools")
            break
        else:
            seen.add(each.name)
            made.tools.append(each)
    return made


def _problem(tool: ToolSpec, seen: set[str]) -> str:
    if not NAME.fullmatch(tool.name):
        return f"the name {tool.name[:60]!r} has characters that no tool may have"
    if tool.name in seen:
        return f"{tool.name} is listed twice"
    if len(tool.description) > LONGEST_DESCRIPTION:
        return f"the description of {tool.name} has more than {LONGEST_DESCRIPTION} characters"
    for schema in (tool.input_schema, tool.output_schema or {}):
        if len(json.dumps(schema)) > LARGEST_SCHEMA:
            return f"a schema of {tool.name} has more than {LARGEST_SCHEMA} characters"
    return ""


def content(tool: ToolSpec) -> dict[str, Any]:
    """The columns that say what a tool does, and their hash."""
    hints = {
        "read_only": tool.read_only,
        "idempotent": tool.idempotent,
        "destructive": tool.destructive,
    }
    made = {
        "title": tool.title[:LONGEST_TITLE],
        "description": tool.description,
        "input_schema": tool.input_schema,
        "output_schema": tool.output_schema,
        "hints": hints,
    }
    text = json.dumps(made, sort_keys=True)
    return made | {"hash": hashlib.sha256(text.encode(errors="replace")).hexdigest()}


async def store_listing(tx: Tx, mount: MountRow, listing: Listing, by: str, now: int) -> Changes:
    """Store what a server lists now. `by`: who accepts the first list."""
    known = {
        row["name"]: row for row in await tools.of_mount(tx, mount["installation_id"], mount["id"])
    }
    pinned = {row["name"] for row in known.values() if row["pinned"]}
    is_first = mount["manifest_hash"] is None
    changes, added = Changes(), list[ToolRow]()
    for each in listing.tools:
        row = known.pop(each.name, None)
        made = content(each)
        if row is None:
            added.append(_new(mount, each.name, made, by if is_first else None, now))
            (changes.accepted if is_first else changes.parked).append(each.name)
        elif changed := _follow(row, made, now, changes):
            await tools.replace(tx, changed)
    await tools.add(tx, added)
    await _mark_removed(tx, mount, known, now, changes)
    changes.manifest_hash = _hash_of(listing)
    if pinned & {*changes.parked, *changes.removed, *changes.returned}:
        await tool_lists.note_change(tx, mount["installation_id"], by)
    return changes


def _new(
    mount: MountRow, name: str, made: dict[str, Any], accepted_by: str | None, now: int
) -> ToolRow:
    return {
        "installation_id": mount["installation_id"],
        "mount_id": mount["id"],
        "name": name,
        **made,  # type: ignore[typeddict-item]
        "state": "active" if accepted_by else "parked",
        "proposed": None if accepted_by else made,
        "policy": {},
        "pinned": 0,
        "version": 1 if accepted_by else 0,
        "changed_at": now,
        "accepted_by": accepted_by,
    }


def _follow(row: ToolRow, made: dict[str, Any], now: int, changes: Changes) -> ToolRow | None:
    """The row as it is now, or None if nothing changed."""
    proposed = row["proposed"]
    if made["hash"] == row["hash"] and row["version"]:
        if row["state"] == "active":
            return None
        changes.returned.append(row["name"])
        return {**row, "state": "active", "proposed": None, "changed_at": now}
    if row["state"] == "parked" and proposed and proposed["hash"] == made["hash"]:
        return None
    changes.parked.append(row["name"])
    return {**row, "state": "parked", "proposed": made, "changed_at": now}


async def _mark_removed(
    tx: Tx, mount: MountRow, gone: dict[str, ToolRow], now: int, changes: Changes
) -> None:
    never_accepted = [name for name, row in gone.items() if not row["version"]]
    await tools.drop(tx, mount["installation_id"], mount["id"], never_accepted)
    for name, row in gone.items():
        if row["version"] and row["state"] != "removed":
            await tools.replace(
                tx, {**row, "state": "removed", "proposed": None, "changed_at": now}
            )
        if row["state"] != "removed":
            changes.removed.append(name)


def _hash_of(listing: Listing) -> str:
    hashes = sorted(content(each)["hash"] for each in listing.tools)
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()
