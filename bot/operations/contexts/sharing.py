"""Sharing a context with others."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from bot.contexts import access
from bot.errors import Refused
from bot.identity.actors import EVERYBODY
from bot.kernel.operation import Context, operation
from bot.operations.contexts.arguments import ContextId, Grantee
from bot.operations.contexts.views import Grant, SharedContext, context_view
from bot.operations.tasks.access import visible_task
from bot.tasks import lookup
from store.agents import agents
from store.contexts import contexts, grants
from store.contexts.contexts import FullContext
from store.mirror.relations import UNSEEN

# Stands before the task in a grant to its holder.
TASK = "task:"


@operation(idempotent=True)
async def share_context(
    ctx: Context,
    context_id: ContextId,
    to: Grantee,
    access: Annotated[Literal["read", "write", "none"], Field(description="none ends the access")],
) -> SharedContext:
    """Let others read or write your context."""
    return await _share(ctx, context_id, to, access)


async def _share(
    ctx: Context, context_id: str, to: str, level: Literal["read", "write", "none"]
) -> SharedContext:
    row = await access.find(ctx, context_id, "share")
    grantee = await _grantee(ctx, row, to)
    here = (ctx.tx, ctx.installation_id, context_id)
    if level == "none":
        await grants.revoke(*here, grantee)
    else:
        await _grant(ctx, context_id, grantee, level)
    await access.record(ctx, row, "shared", to=grantee, access=level)
    found = await _with_names(ctx, await grants.of(*here))
    return SharedContext(
        context=context_view(row),
        grants=[Grant(to=g["grantee"], access=g["access"]) for g in found],
        readable_by=access.readers(row, found),
    )


async def _with_names(ctx: Context, found: Sequence[grants.Grant]) -> list[grants.Grant]:
    """The grants, with the names of tasks instead of their ids.

    A task out of the actor's reach has no name.
    """
    ids = {each["grantee"]: each["grantee"].removeprefix(TASK) for each in found}
    of_tasks = [id_ for grantee, id_ in ids.items() if grantee != id_]
    names = await lookup.names(ctx.tx, ctx.actor, of_tasks)
    bound = ctx.actor.repositories is not None
    shown = {
        grantee: f"{TASK}{names.get(id_, UNSEEN)}"
        for grantee, id_ in ids.items()
        if id_ in names or (bound and id_ != grantee)
    }
    return [{**each, "grantee": shown.get(each["grantee"], each["grantee"])} for each in found]


async def _grantee(ctx: Context, row: FullContext, to: str) -> str:
    kind, sign, named = to.partition(":")
    if sign and kind == "task":
        return f"{TASK}{(await visible_task(ctx, named))['id']}"
    if to == EVERYBODY:
        return to
    if not sign and await agents.get(ctx.tx, ctx.installation_id, to) is None:
        raise Refused(
            "unknown_agent",
            f"No agent {to!r} is registered here. list_agents lists the agents. For all of them "
            f"pass {EVERYBODY}.",
        )
    if to == row["owner"]:
        raise Refused("invalid_arguments", f"{to} owns {row['id']} and needs no access.")
    return to


async def _grant(
    ctx: Context, context_id: str, grantee: str, level: Literal["read", "write"]
) -> None:
    here = (ctx.tx, ctx.installation_id, context_id)
    await contexts.lock(*here)
    others = [each for each in await grants.of(*here) if each["grantee"] != grantee]
    if len(others) >= access.MOST_GRANTS:
        raise access.too_many_error(
            f"{context_id} is shared with {access.MOST_GRANTS} others, which is the limit",
            access.MOST_GRANTS,
            "Share it with a role, which counts as one.",
        )
    await grants.grant(
        ctx.tx,
        {
            "installation_id": ctx.installation_id,
            "context_id": context_id,
            "grantee": grantee,
            "access": level,
            "granted_by": ctx.actor.name,
            "granted_at": ctx.now,
        },
    )
