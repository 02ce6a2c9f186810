"""Tools of other servers in `tools/list`: those that people pinned, as `server__tool`."""

import mcp_types as types

from bot.identity.actors import Actor
from bot.kernel.sentences import shorten
from bot.kernel.untrusted_text import visible
from bot.tools import tool_access, tool_names
from bot.tools.tool_policies import is_parked
from store.engine import json_text
from store.engine.transaction import Store
from store.mounts import tool_lookup
from store.mounts.tool_lookup import PinnedTool

# Of a description, and of a schema. With a longer one, a tool is found by find_tools only.
LONGEST, LARGEST_SCHEMA = 600, 8_000


async def of(store: Store, actor: Actor) -> list[types.Tool]:
    """Those that the actor may call."""
    rows = await store.read(lambda tx: tool_lookup.pinned_tools(tx, actor.installation_id))
    return [
        _tool(row)
        for row in rows
        if tool_access.may_call(actor, row["policy"], row["repositories"])
        and not is_parked(row["policy"])
        and len(json_text.text(row["input_schema"])) <= LARGEST_SCHEMA
    ]


def _tool(row: PinnedTool) -> types.Tool:
    """Its words are those of its server, and the description begins with that."""
    words = " ".join(visible(row["description"]).split())
    hints = row["hints"]
    return types.Tool(
        name=tool_names.public_name(row["server"], row["name"]),
        description=shorten(f"[tool server {row['server']}] {words}", LONGEST),
        input_schema={"type": "object", **row["input_schema"]},
        annotations=types.ToolAnnotations(
            read_only_hint=True if hints.get("read_only") else None,
            destructive_hint=None if hints.get("destructive", True) else False,
            idempotent_hint=True if hints.get("idempotent") else None,
        ),
    )
