"""Plug-ins as people see them: which there are, what they may do, and their panels."""

from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.outside import Outside, OutsideCall
from bot.kernel.plugin_calls import HookCall, PluginResult
from bot.plugins import added, failures, uses
from bot.plugins.installed import Installed
from bot.plugins.plugin_code import TIMEOUTS_S
from bot.times import stamp
from store.engine.transaction import Tx
from store.plugins import forwards, plugin_installations, plugins
from store.tables.plugins import PluginInstallationRow, PluginRow

PluginName = Annotated[str, Field(max_length=60, description="the plug-in's name")]
LONGEST_PANEL = 60_000
# Deliveries that were given up, of which an answer shows the newest.
MOST_DEAD = 20


class PluginView(BaseModel):
    """`state`: on, off or failing in this installation; stopped: on the whole server."""

    name: str
    version: str
    description: str
    publisher: str
    is_signed: bool
    kind: str = Field(description="python, wasm, process, mcp or probot")
    state: str
    why: str | None = None
    role: str = Field(description="with which it calls operations")
    changed_by: str | None = None
    changed_at: str | None = None


class PluginList(Answer):
    of_mirror = False

    plugins: list[PluginView]


class DeadForward(BaseModel):
    guid: str
    event: str
    at: str
    why: str


class Forwarded(BaseModel):
    """Deliveries of GitHub for an app of others."""

    waiting: int
    delivered: int
    dead: int = Field(description="given up; the action resend tries them again")
    newest_dead: list[DeadForward]


class PluginDetails(Answer):
    of_mirror = False

    plugin: PluginView
    adds: dict[str, Any]
    permissions: dict[str, Any]
    settings: dict[str, Any] = Field(description="what can be set, without the values")
    set_here: list[str] = Field(description="the settings that have a value here")
    forwarded: Forwarded | None = Field(None, description="of an app that gets deliveries")
    panel: str | None = Field(None, description="Markdown by the plug-in: untrusted")


@operation(reads_only=True)
async def list_plugins(ctx: Context) -> PluginList:
    """List the plug-ins of this server, and whether they are on here."""
    rows = await plugins.all_of(ctx.tx)
    used = {each["plugin"]: each for each in await _uses(ctx)}
    return PluginList(plugins=[view(row, used.get(row["name"])) for row in rows])


async def _uses(ctx: Context) -> list[PluginInstallationRow]:
    return await plugin_installations.all_of(ctx.tx, ctx.installation_id)


def view(row: PluginRow, use: PluginInstallationRow | None) -> PluginView:
    installed = Installed.of(row)
    row, manifest = installed.row, installed.manifest
    stopped = row["state"] == "stopped"
    role = manifest.permissions.role
    return PluginView(
        name=row["name"],
        version=row["version"],
        description=manifest.description,
        publisher=manifest.publisher,
        is_signed=row["signed_by"] is not None,
        kind=manifest.kind,
        state="stopped" if stopped else use["state"] if use else "off",
        why=row["why"] if stopped else use and use["why"],
        role=uses.lower(role, use["role"]) if use else role,
        changed_by=use and use["changed_by"],
        changed_at=stamp(use["changed_at"]) if use else None,
    )


async def row_of(tx: Tx, name: str) -> PluginRow:
    """Raise Refused."""
    row = await plugins.get(tx, name)
    if row is None:
        known = [each["name"] for each in await plugins.all_of(tx)]
        raise Refused(
            "unknown_plugin",
            f"The operator has installed no plug-in {name!r}. There is {', '.join(known) or 'none'}"
            ".",
        )
    return row


@operation(reads_only=True)
async def get_plugin(
    ctx: Context,
    plugin: PluginName,
    panel: Annotated[
        str | None, Field(max_length=60, description="also show this panel of it")
    ] = None,
) -> PluginDetails | OutsideCall[PluginResult]:
    """Show what a plug-in adds, what it may do, and one of its panels."""
    row = await row_of(ctx.tx, plugin)
    use = await plugin_installations.get(ctx.tx, ctx.installation_id, plugin)
    found = await details(ctx, row, use)
    if panel is None:
        return found
    return await _with_panel(ctx, Installed.of(row), found, panel)


async def details(ctx: Context, row: PluginRow, use: PluginInstallationRow | None) -> PluginDetails:
    manifest = Installed.of(row).manifest
    kept = uses.settings_of(ctx.shared.keys, use) if use else {}
    return PluginDetails(
        plugin=view(row, use),
        adds=manifest.adds.model_dump(mode="json"),
        permissions=manifest.permissions.model_dump(mode="json"),
        settings={name: each.model_dump() for name, each in manifest.settings.items()},
        set_here=sorted(kept),
        forwarded=await _forwards_of(ctx, row["name"]) if manifest.kind == "probot" else None,
    )


async def _forwards_of(ctx: Context, plugin: str) -> Forwarded:
    here = (ctx.tx, ctx.installation_id, plugin)
    counts = await forwards.counts(*here)
    return Forwarded(
        waiting=counts.get("waiting", 0),
        delivered=counts.get("delivered", 0),
        dead=counts.get("dead", 0),
        newest_dead=[
            DeadForward(
                guid=each["guid"],
                event=each["event"],
                at=stamp(each["received_at"]),
                why=each["why"] or "",
            )
            for each in await forwards.dead(*here, MOST_DEAD)
        ],
    )


async def _with_panel(
    ctx: Context, installed: Installed, found: PluginDetails, panel: str
) -> OutsideCall[PluginResult]:
    names = [each.name for each in installed.manifest.adds.panels]
    if panel not in names:
        raise Refused(
            "invalid_arguments",
            f"{installed.name} has no panel {panel!r}. It has {', '.join(names) or 'none'}.",
        )
    use = await added.use_of(ctx.tx, ctx.installation_id, installed)

    async def run(outside: Outside) -> PluginResult:
        call = HookCall("panel", panel)
        return await added.plugins_in(outside).call(installed.name, use, call, ctx.actor)

    async def finish(ctx: Context, result: PluginResult) -> PluginDetails:
        ctx.later.append(partial(_count, use, result))
        added.check(installed, result)
        return found.model_copy(update={"panel": str(result.value or "")[:LONGEST_PANEL]})

    return OutsideCall(run, finish, TIMEOUTS_S["panel"] + 15)


async def _count(use: PluginInstallationRow, result: PluginResult, tx: Tx) -> None:
    await failures.count(tx, use, result)
