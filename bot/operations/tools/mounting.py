"""Tool servers: what people add, change, start, stop and see."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from bot.errors import Refused
from bot.kernel.operation import Context, operation
from bot.kernel.outside import OutsideCall
from bot.operations.manage_checks import check_leads_all
from bot.operations.tools import mount_steps
from bot.operations.tools.mount_settings import Wanted
from bot.operations.tools.mount_views import (
    MountInFull,
    Mounts,
    MountWithTools,
    answer,
    existing,
    listed_tool,
    log_entry,
    repository_names,
    view,
)
from bot.tool_servers.credentials import CredentialKind
from store.mounts import mount_log, mounts, tools

MountName: TypeAlias = Annotated[str, Field(max_length=60, description="the server's name")]
Action: TypeAlias = Literal["add", "change", "remove", "start", "stop", "restart", "refresh"]
# Entries of its log that an answer shows.
MOST_SHOWN = 100


@operation(reads_only=True)
async def list_mounts(ctx: Context) -> Mounts:
    """List the tool servers, how each is, and how many tools it has."""
    _check_sees_all(ctx)
    rows = await mounts.all_of(ctx.tx, ctx.installation_id)
    counts = await tools.counts(ctx.tx, ctx.installation_id)
    names = await repository_names(ctx, rows)
    return Mounts(mounts=[view(row, counts.get(row["id"], {}), names) for row in rows])


@operation(reads_only=True)
async def get_mount(ctx: Context, mount: MountName) -> MountWithTools:
    """Return a tool server: its tools, how it is, and its log."""
    _check_sees_all(ctx)
    row = await existing(ctx, mount)
    here = (ctx.tx, ctx.installation_id, row["id"])
    return MountWithTools(
        **dict(await answer(ctx, mount)),
        listed=[listed_tool(each) for each in await tools.of_mount(*here)],
        log=[log_entry(each) for each in await mount_log.newest(*here, MOST_SHOWN)],
    )


@operation()
async def manage_mount(
    ctx: Context,
    mount: MountName,
    action: Annotated[Action, Field(description="what to do with it")],
    kind: Annotated[Literal["mcp", "openapi"] | None, Field(description="mcp by default")] = None,
    url: Annotated[str | None, Field(max_length=1000, description="its address")] = None,
    auth: Annotated[CredentialKind | None, Field(description="how its credential is sent")] = None,
    auth_name: Annotated[
        str | None, Field(max_length=200, description="the header, parameter, user or client id")
    ] = None,
    secret: Annotated[
        str | None, Field(max_length=8000, repr=False, description="the credential; never shown")
    ] = None,
    token_url: Annotated[
        str | None, Field(max_length=1000, description="for oauth: where tokens are")
    ] = None,
    scope: Annotated[str | None, Field(max_length=500, description="for oauth")] = None,
    document: Annotated[
        str | None, Field(max_length=3_000_000, description="for openapi: its text, if not at url")
    ] = None,
    options: Annotated[
        dict[str, Any] | None, Field(description="for openapi: base_url, operations and others")
    ] = None,
    repositories: Annotated[
        list[str] | None, Field(max_length=200, description="whose agents may call it; [] all")
    ] = None,
) -> MountInFull | OutsideCall[Any]:
    """Add, change, remove, start, stop, restart or refresh a tool server."""
    _check_sees_all(ctx)
    wanted = Wanted(
        kind, url, auth, auth_name, secret, token_url, scope, document, options, repositories
    )
    if action == "add":
        return await mount_steps.add(ctx, mount, wanted)
    row = await existing(ctx, mount)
    if action == "change":
        return await mount_steps.change(ctx, row, wanted)
    if wanted != Wanted():
        raise Refused("invalid_arguments", f"{action} takes no other argument than `mount`.")
    if action == "restart":
        return await mount_steps.restart(ctx, row)
    if action == "refresh":
        return mount_steps.look_again(ctx, row)
    if action == "start":
        return await mount_steps.start(ctx, row)
    return await (mount_steps.stop if action == "stop" else mount_steps.remove)(ctx, row)


def _check_sees_all(ctx: Context) -> None:
    """A server may be for all repositories, and its credential works in Hubbub's name."""
    check_leads_all(ctx, "see and change tool servers")
