"""Listing contexts, or snapshots."""

from typing import Annotated

from pydantic import Field

from bot.contexts import access
from bot.contexts.access import AccessibleContext
from bot.identity import permissions
from bot.kernel.operation import Context, TaskRef, operation
from bot.kernel.pagination import Cursor, Limit, decode, encode
from bot.operations.contexts.views import (
    Contexts,
    context_view,
    snapshot_view,
)
from bot.operations.tasks.access import visible_task
from store.contexts import contexts, snapshots
from store.contexts.contexts import FullContext
from store.tables.contexts import ContextSnapshotRow

# The most members of snapshots on a page, together.
MOST_ON_A_PAGE = 500


# One call looks at this many contexts at most, so a page with a filter may be short.
LOOKED_AT = 1000


@operation(reads_only=True)
async def list_contexts(
    ctx: Context,
    task: TaskRef | None = None,
    owner: Annotated[str, Field(max_length=120, description="an agent's id")] | None = None,
    prefix: Annotated[str, Field(max_length=200, description="start of the name")] = "",
    snapshots: Annotated[bool, Field(description="your snapshots instead")] = False,  # noqa: FBT002 - an argument by name
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Contexts:
    """List the contexts that you may read, without their content."""
    if snapshots:
        return await _snapshots(ctx, limit, decode(cursor))
    task_id = (await visible_task(ctx, task))["id"] if task else None
    after = decode(cursor)
    rows, more = await _candidates(ctx, task_id, owner, after)
    may = await access.accesses(ctx.tx, ctx.actor, rows)
    fitting: list[AccessibleContext] = [
        {**row, "access": may[row["id"]]}
        for row in rows
        if may[row["id"]] != "none"
        and row["name"].startswith(prefix)
        and owner in (None, row["owner"])
    ]
    page = fitting[:limit]
    last = page[-1]["id"] if len(fitting) > limit else more
    return Contexts(
        contexts=[context_view(row) for row in page],
        snapshots=[],
        next_cursor=encode(last) if last else None,
    )


async def _candidates(
    ctx: Context, task_id: str | None, owner: str | None, after: str
) -> tuple[list[FullContext], str | None]:
    """Contexts to filter, in the order of their ids, and where to continue if there are more."""
    if task_id or owner or access.may_be_in_charge(ctx.actor):
        rows = await contexts.page(
            ctx.tx,
            ctx.installation_id,
            task_id=task_id,
            owner=owner,
            after=after,
            limit=LOOKED_AT,
            repositories=ctx.actor.repositories,
        )
        return rows, rows[-1]["id"] if len(rows) == LOOKED_AT else None
    named = await access.visible_ids(ctx.tx, ctx.actor, after, LOOKED_AT)
    rows = await contexts.several(ctx.tx, ctx.installation_id, named, ctx.actor.repositories)
    return rows, named[-1] if len(named) == LOOKED_AT else None


async def _snapshots(ctx: Context, limit: int, before: str) -> Contexts:
    """The actor's snapshots. A tech-lead of the installation gets all."""
    may_see_all = permissions.allows_everywhere(ctx.actor, "list_contexts.snapshots")
    author = None if may_see_all else ctx.actor.name
    rows = await snapshots.page(ctx.tx, ctx.installation_id, author, before or "~", limit + 1)
    page: list[ContextSnapshotRow] = []
    members = 0
    for row in rows[:limit]:
        members += len(row["members"])
        if page and members > MOST_ON_A_PAGE:
            break
        page.append(row)
    ids_named = [each for row in page for each in row["members"]]
    seen = await access.readable_ones(ctx.tx, ctx.actor, ids_named)
    more = len(rows) > len(page)
    return Contexts(
        contexts=[],
        # A snapshot of what is out of reach says nothing.
        snapshots=[
            snapshot_view(row, seen)
            for row in page
            if ctx.actor.repositories is None or seen & row["members"].keys()
        ],
        next_cursor=encode(page[-1]["id"]) if more else None,
    )
