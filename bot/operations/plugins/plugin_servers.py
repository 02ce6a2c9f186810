"""Turning on plug-ins whose work a server of others does: it is mounted, or forwarded to."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.kernel.outside import OutsideCall
from bot.operations.plugins.plugin_list import PluginDetails, details, row_of
from bot.operations.tools import mount_steps
from bot.operations.tools.mount_settings import Wanted
from bot.plugins import forwarding, uses
from bot.plugins.installed import Installed
from bot.tool_servers.addresses import check_web
from store.mounts import mounts
from store.plugins import plugin_installations
from store.tables.agents import Role
from store.tables.plugins import PluginInstallationRow


@dataclass(frozen=True)
class WantedUse:
    """How a plug-in is to be used. `before`: how it was."""

    before: PluginInstallationRow | None
    role: Role
    settings: dict[str, Any]

    async def turn_on(self, ctx: Context, installed: Installed) -> None:
        i, name, keys = ctx.installation_id, installed.name, ctx.shared.keys
        seq = ctx.state["head"]
        if installed.manifest.kind == "probot":
            seq = forwarding.place_of(self.before, ctx.now)
        sealed = uses.seal(keys, i, name, self.settings)
        await plugin_installations.turn_on(ctx.tx, i, name, self.role, sealed, seq, ctx.actor.name)


async def check(ctx: Context, installed: Installed, wanted: WantedUse) -> None:
    """Raise Refused for an address that nothing may be forwarded to."""
    if installed.manifest.kind == "probot":
        check_web(address_of(installed, wanted.settings), ctx.shared.trusted_origins)


def address_of(installed: Installed, settings: dict[str, Any]) -> str:
    """The setting `url`, or else what the manifest names."""
    found = uses.with_defaults(installed.manifest, settings).get("url")
    return str(found or installed.manifest.entry)


async def mount_first(ctx: Context, installed: Installed, wanted: WantedUse) -> OutsideCall[Any]:
    """Mount the server under the plug-in's name, and turn the plug-in on if it answers."""
    name, token = installed.name, wanted.settings.get("token")
    given = Wanted(
        kind="mcp",
        url=address_of(installed, wanted.settings),
        auth="bearer" if token else "none",
        secret=str(token) if token else None,
    )
    row = await mounts.by_name(ctx.tx, ctx.installation_id, name)
    if row is not None and row["kind"] != "mcp":
        raise Refused("invalid_arguments", f"The tool server {name} is not the plug-in's.")
    call = await (mount_steps.change(ctx, row, given) if row else mount_steps.add(ctx, name, given))
    finish = partial(_finish, mounted=call, installed=installed, wanted=wanted)
    return OutsideCall(call.run, finish, call.timeout_s)


async def _finish(
    ctx: Context, found: Any, mounted: OutsideCall[Any], installed: Installed, wanted: WantedUse
) -> PluginDetails:
    await mounted.finish(ctx, found)
    await _set_state(ctx, installed, running=True)
    await wanted.turn_on(ctx, installed)
    row = await row_of(ctx.tx, installed.name)
    use = await plugin_installations.get(ctx.tx, ctx.installation_id, installed.name)
    return await details(ctx, row, use)


async def stop(ctx: Context, installed: Installed) -> None:
    """Stop the server of a plug-in that was turned off. It stays mounted with its tools."""
    if installed.manifest.kind == "mcp":
        await _set_state(ctx, installed, running=False)


async def _set_state(ctx: Context, installed: Installed, *, running: bool) -> None:
    row = await mounts.by_name(ctx.tx, ctx.installation_id, installed.name)
    if row is not None:
        here = (ctx.tx, ctx.installation_id, row["id"])
        probe_at = ctx.now if running else None
        await mounts.set_state(*here, "running" if running else "stopped", probe_at)
