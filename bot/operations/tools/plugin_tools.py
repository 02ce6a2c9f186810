"""Operations of plug-ins among the tools that agents find: no list has them, so no agent pays."""

from typing import Any

from bot.kernel.operation import Context
from bot.kernel.tool_schemas import lean
from bot.plugins.added import Found
from bot.plugins.installed import Installed
from store.engine.transaction import Tx
from store.mounts.tool_lookup import FoundTool
from store.plugins import plugin_installations, plugins

# No mount has such an id.
MOUNT = "plugin/"


async def rows(ctx: Context, server: str | None) -> list[FoundTool]:
    """The operations of the plug-ins that are on here."""
    return [
        {
            "mount_id": MOUNT + installed.name,
            "server": installed.name,
            "name": each.name,
            "title": "",
            "description": each.description,
            "policy": {"role": each.role},
            "repositories": None,
            "options": {},
            "pinned": 0,
        }
        for installed in await _in_use(ctx.tx, ctx.installation_id)
        for each in installed.manifest.adds.operations
        if server in (None, installed.name)
    ]


async def _in_use(tx: Tx, installation_id: int) -> list[Installed]:
    used = await plugin_installations.all_of(tx, installation_id)
    on = {each["plugin"] for each in used if each["state"] == "on"}
    found = await plugins.all_of(tx) if on else []
    return [Installed.of(row) for row in found if row["name"] in on]


async def schema(ctx: Context, row: FoundTool) -> dict[str, Any] | None:
    """The JSON Schema of its arguments."""
    stored = await plugins.get(ctx.tx, row["server"])
    installed = Installed.of(stored) if stored else None
    added = installed.manifest.operation(row["name"]) if installed else None
    if installed is None or added is None:
        return None
    return lean(Found(installed, added).operation.arguments.model_json_schema())
