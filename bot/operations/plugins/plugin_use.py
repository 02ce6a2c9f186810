"""Turning plug-ins on and off for an installation."""

from typing import Annotated, Any, Literal

from pydantic import Field

from bot.errors import Refused
from bot.identity.actors import PLUGIN
from bot.identity.keyring import Broken, Keys
from bot.kernel.operation import Context, operation
from bot.kernel.outside import OutsideCall
from bot.operations.manage_checks import check_leads_all, check_unused
from bot.operations.plugins import plugin_servers
from bot.operations.plugins.plugin_list import PluginDetails, PluginName, details, row_of
from bot.operations.plugins.plugin_servers import WantedUse
from bot.outbox import stopped
from bot.plugins import uses
from bot.plugins.installed import Installed
from bot.plugins.manifest import Manifest
from store.mounts import mounts
from store.plugins import forwards, plugin_installations, plugins
from store.tables.agents import Role
from store.tables.plugins import PluginInstallationRow

MOST_SETTINGS = 30


@operation()
async def manage_plugin(
    ctx: Context,
    plugin: PluginName,
    action: Annotated[
        Literal["enable", "disable", "resend"],
        Field(description="resend: what was not forwarded to its app"),
    ],
    role: Annotated[
        Role | None, Field(description="the most it may do; default: what it asks for")
    ] = None,
    settings: Annotated[
        dict[str, Any] | None,
        Field(max_length=MOST_SETTINGS, description="by name; others keep their values"),
    ] = None,
) -> PluginDetails | OutsideCall[Any]:
    """Turn a plug-in on, with its role and settings, or off."""
    _check_sees_all(ctx)
    if action != "enable":
        check_unused(action, role=role, settings=settings)
    row = await row_of(ctx.tx, plugin)
    installed = Installed.of(row)
    if action == "enable":
        wanted = await _use_of(ctx, installed, role, settings or {})
        if installed.manifest.kind == "mcp":
            return await plugin_servers.mount_first(ctx, installed, wanted)
        await plugin_servers.check(ctx, installed, wanted)
        await wanted.turn_on(ctx, installed)
    elif action == "resend":
        await forwards.revive(ctx.tx, ctx.installation_id, plugin)
    else:
        await _check_unneeded(ctx, plugin)
        await plugin_installations.turn_off(ctx.tx, ctx.installation_id, plugin, ctx.actor.name)
        await plugin_servers.stop(ctx, installed)
        author = PLUGIN + plugin
        why = stopped.TURNED_OFF.format(author=author)
        await stopped.cancel_queued(ctx.tx, ctx.installation_id, [author], why)
    use = await plugin_installations.get(ctx.tx, ctx.installation_id, plugin)
    return await details(ctx, row, use)


def _check_sees_all(ctx: Context) -> None:
    """A plug-in works in all repositories."""
    check_leads_all(ctx, "turn plug-ins on and off")


async def _use_of(
    ctx: Context, installed: Installed, role: Role | None, given: dict[str, Any]
) -> WantedUse:
    """How it is to be used. Raise Refused."""
    i, manifest, keys = ctx.installation_id, installed.manifest, ctx.shared.keys
    if installed.row["state"] == "stopped":
        raise Refused("plugin_off", f"{manifest.name} is stopped: {installed.row['why']}.")
    before = await plugin_installations.get(ctx.tx, i, manifest.name)
    await _check_needs(ctx, manifest, was_used=before is not None)
    kept = {
        name: value
        for name, value in _stored_settings(keys, before).items()
        if name in manifest.settings
    }
    found = {**kept, **given}
    uses.check_settings(manifest, found)
    return WantedUse(
        before, uses.lower(role or manifest.permissions.role, manifest.permissions.role), found
    )


def _stored_settings(keys: Keys, before: PluginInstallationRow | None) -> dict[str, Any]:
    """None if they cannot be decrypted: then they are given again."""
    try:
        return uses.settings_of(keys, before) if before else {}
    except Broken:
        return {}


async def _check_needs(ctx: Context, manifest: Manifest, *, was_used: bool) -> None:
    """Raise Refused."""
    # The server of a plug-in of the kind `mcp` has its name.
    owns_mount = manifest.kind == "mcp" and was_used
    mounted = await mounts.by_name(ctx.tx, ctx.installation_id, manifest.name)
    if mounted is not None and not owns_mount:
        raise Refused(
            "invalid_arguments",
            f"A tool server has the name {manifest.name} too, so tools of both would have the same "
            "names. Remove it, and add it by another name.",
        )
    used = await plugin_installations.all_of(ctx.tx, ctx.installation_id)
    on = {each["plugin"] for each in used if each["state"] == "on"}
    if missing := sorted(manifest.needs.keys() - on):
        raise Refused(
            "invalid_arguments",
            f"{manifest.name} needs {', '.join(missing)}. Turn that on first.",
        )


async def _check_unneeded(ctx: Context, plugin: str) -> None:
    """Raise Refused if another plug-in that is on needs it."""
    used = await plugin_installations.all_of(ctx.tx, ctx.installation_id)
    on = {each["plugin"] for each in used if each["state"] == "on"}
    rows = await plugins.all_of(ctx.tx)
    needed_by = [
        row["name"]
        for row in rows
        if row["name"] in on and plugin in Installed.of(row).manifest.needs
    ]
    if needed_by:
        raise Refused(
            "invalid_arguments",
            f"{', '.join(needed_by)} needs {plugin}. Turn that off first.",
        )
