"""The steps of a change of a tool server: what is looked at first, and what is stored then."""

from functools import partial
from typing import Any, TypeAlias

from bot.errors import Refused
from bot.identity.keyring import Broken
from bot.kernel import tool_lists
from bot.kernel.operation import Context
from bot.kernel.outside import Outside, OutsideCall
from bot.mounts import looking
from bot.mounts.looking import Look
from bot.mounts.specs import spec_of, with_credential
from bot.operations.tools import mount_settings
from bot.operations.tools.mount_settings import Made, Wanted
from bot.operations.tools.mount_views import MountInFull, answer
from bot.repository.settings_file import PATH
from bot.tool_servers.connections import ServerSpec, Unavailable
from bot.tool_servers.network import Network
from bot.tool_servers.openapi.loading import Source
from store.mounts import mount_log, mounts, tool_lookup
from store.tables.mounts import MountRow, MountState

STOP_S = 15.0
# What a look found. None: nobody looked.
Found: TypeAlias = Look | Unavailable | None


async def add(ctx: Context, name: str, wanted: Wanted) -> OutsideCall[Found]:
    """Raise Refused."""
    await _check_is_free(ctx, name)
    rows = await mounts.all_of(ctx.tx, ctx.installation_id)
    if sum(each["kind"] != mounts.COMPOSED for each in rows) >= mounts.MOST:
        raise Refused(
            "invalid_arguments", f"There are {mounts.MOST} tool servers already. Remove one first."
        )
    return _look_first(ctx, await mount_settings.new_row(ctx, name, wanted), is_new=True)


async def change(ctx: Context, row: MountRow, wanted: Wanted) -> OutsideCall[Found]:
    """Raise Refused."""
    _check_is_not_local(row)
    return _look_first(ctx, await mount_settings.changed_row(ctx, row, wanted), is_new=False)


def _look_first(ctx: Context, made: Made, *, is_new: bool) -> OutsideCall[Found]:
    """Nothing is stored unless the server lists its tools to this credential."""
    spec = with_credential(made.row, made.credential)
    source = looking.source_of(made.row, made.document)
    network = Network(ctx.shared.trusted_origins)
    return OutsideCall(
        partial(_look, spec=spec, network=network, source=source, drops=not is_new, tries=True),
        partial(_save, row=made.row, is_new=is_new),
        looking.TIMEOUT_S,
    )


async def _look(
    outside: Outside,
    spec: ServerSpec,
    network: Network,
    source: Source | None,
    *,
    drops: bool,
    tries: bool = False,
) -> Found:
    if outside.tool_servers is None:
        return Unavailable(
            "refused",
            "This process calls no tool servers. Send the call to a running `hubbub serve`.",
        )
    if drops:
        await outside.tool_servers.drop(spec.installation_id, spec.server_id)
    return await looking.look(outside.tool_servers, spec, network, source, tries=tries)


async def _save(ctx: Context, found: Found, row: MountRow, *, is_new: bool) -> MountInFull:
    look = _usable(row, found)
    if look.document is not None:
        # The credential goes there, wherever the document points to when it is read again.
        options = row["options"] | {"base_url": look.document["base_url"]}
        row = {**row, "options": options}
    if is_new:
        await _check_is_free(ctx, row["name"])
        await mounts.add(ctx.tx, row)
    else:
        stored = await mounts.lock(ctx.tx, ctx.installation_id, row["id"])
        if stored is None or stored["version"] != row["version"] - 1:
            raise Refused("invalid_arguments", f"{row['name']} was changed meanwhile. Try again.")
        here = (ctx.tx, ctx.installation_id, row["id"])
        if stored["repositories"] != row["repositories"] and await tool_lookup.has_pinned(*here):
            await tool_lists.note_change(ctx.tx, ctx.installation_id, ctx.actor.name)
    text = f"{'Added' if is_new else 'Changed'} by {ctx.actor.name}."
    await mount_log.add(ctx.tx, ctx.installation_id, row["id"], ctx.now, "info", text)
    await looking.store_listing(ctx.tx, row, look, ctx.actor.name[:120])
    here = (ctx.tx, ctx.installation_id, row["id"])
    if look.credential is not None:
        await mount_log.add(*here, ctx.now, "warning", look.credential)
    made = await answer(ctx, row["name"], look.listing.left_out)
    return made.model_copy(update={"credential_note": look.credential})


async def restart(ctx: Context, row: MountRow) -> OutsideCall[Found]:
    """By another version, so that other processes connect again too."""
    made = look_again(ctx, {**row, "version": row["version"] + 1}, drops=True)
    await mounts.lock(ctx.tx, ctx.installation_id, row["id"])
    await mounts.set_version(ctx.tx, ctx.installation_id, row["id"], row["version"] + 1)
    return made


def look_again(ctx: Context, row: MountRow, *, drops: bool = False) -> OutsideCall[Found]:
    _check_is_server(row)
    if row["state"] == "stopped":
        raise Refused("invalid_arguments", f"{row['name']} is stopped. Start it first.")
    try:
        spec = spec_of(ctx.shared.keys, row)
    except Broken as exc:
        raise Refused(
            "tool_unavailable",
            f"The credential of {row['name']} cannot be decrypted. Set it again.",
        ) from exc
    network, source = Network(ctx.shared.trusted_origins), looking.source_of(row)
    return OutsideCall(
        partial(_look, spec=spec, network=network, source=source, drops=drops),
        partial(_keep, row=row),
        looking.TIMEOUT_S,
    )


async def _keep(ctx: Context, found: Found, row: MountRow) -> MountInFull:
    assert found is not None
    here = (ctx.installation_id, row["id"], row["version"], found)
    if isinstance(found, Unavailable):

        async def note(tx: Any) -> None:
            await looking.store_look(tx, *here, ctx.actor.name[:120])

        ctx.later.append(note)
    look = _usable(row, found)
    await looking.store_look(ctx.tx, *here, ctx.actor.name[:120])
    return await answer(ctx, row["name"], look.listing.left_out)


def _usable(row: MountRow, found: Found) -> Look:
    """Raise Refused."""
    if isinstance(found, Look):
        return found
    assert found is not None
    raise Refused(
        "tool_unavailable",
        f"{row['name']} did not list its tools, so nothing was changed. {found.text}",
        why=found.kind,
    )


async def start(ctx: Context, row: MountRow) -> MountInFull:
    await _lock(ctx, row)
    # The tools of a repository's settings are at no server that could be looked at.
    look_at = None if row["kind"] == mounts.COMPOSED else ctx.now
    await _set_state(ctx, row, "running", look_at)
    return await answer(ctx, row["name"])


async def stop(ctx: Context, row: MountRow) -> OutsideCall[None]:
    await _lock(ctx, row)
    await _set_state(ctx, row, "stopped", None)
    return OutsideCall(partial(_drop, row=row), partial(_finish_stop, row=row), STOP_S)


async def _finish_stop(ctx: Context, _: None, row: MountRow) -> MountInFull:
    return await answer(ctx, row["name"])


async def remove(ctx: Context, row: MountRow) -> OutsideCall[None]:
    """Raise Refused."""
    _check_is_not_local(row)
    await _lock(ctx, row)
    await mounts.remove(ctx.tx, ctx.installation_id, row["id"])
    return OutsideCall(partial(_drop, row=row), _finish_remove, STOP_S)


async def _finish_remove(_ctx: Context, _: None) -> MountInFull:
    return MountInFull(mount=None)


async def _lock(ctx: Context, row: MountRow) -> None:
    """Lock it, and note that the agents' list of tools changes, if tools of it are pinned."""
    here = (ctx.tx, ctx.installation_id, row["id"])
    await mounts.lock(*here)
    if await tool_lookup.has_pinned(*here):
        await tool_lists.note_change(ctx.tx, ctx.installation_id, ctx.actor.name)


async def _set_state(ctx: Context, row: MountRow, state: MountState, look_at: int | None) -> None:
    here = (ctx.tx, ctx.installation_id, row["id"])
    await mounts.set_state(*here, state, look_at)
    text = f"{'Started' if state == 'running' else 'Stopped'} by {ctx.actor.name}."
    await mount_log.add(*here, ctx.now, "info", text)


async def _drop(outside: Outside, row: MountRow) -> None:
    if outside.tool_servers is not None:
        await outside.tool_servers.drop(row["installation_id"], row["id"])


def _check_is_server(row: MountRow) -> None:
    if row["kind"] == mounts.COMPOSED:
        raise Refused(
            "invalid_arguments",
            f"{row['name']} is no server: its tools are in {PATH} of their repository, where they "
            "are changed. You can start and stop it.",
        )


def _check_is_not_local(row: MountRow) -> None:
    _check_is_server(row)
    if row["kind"] == "stdio":
        raise Refused(
            "invalid_arguments",
            f"{row['name']} is in the operator's file, where the operator changes or removes it. "
            "You can start, stop, restart and refresh it.",
        )


async def _check_is_free(ctx: Context, name: str) -> None:
    if await mounts.by_name(ctx.tx, ctx.installation_id, name):
        raise Refused(
            "invalid_arguments", f"There is a tool server {name!r} already. Choose another name."
        )
