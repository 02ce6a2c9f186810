"""Taking snapshots of contexts, and restoring old versions."""

from typing import Annotated

from pydantic import Field

from bot.contexts import access, versions
from bot.contexts.access import AccessibleContext
from bot.contexts.snapshots import version_in, versions_in
from bot.errors import Refused
from bot.kernel.operation import Answer, Context, TaskRef, operation
from bot.operations.contexts.arguments import ContextId, Name, Number
from bot.operations.contexts.documents import advance
from bot.operations.contexts.listing import LOOKED_AT
from bot.operations.contexts.views import About, Snapshot, context_view, snapshot_view
from bot.operations.tasks.access import visible_task
from store.contexts import contexts, snapshots
from store.contexts.contexts import FullContext
from store.engine import ids
from store.tables.contexts import ContextSnapshotRow

MOST_MEMBERS = 100
MOST_SNAPSHOTS = 1000
# In bytes. While one call restores versions, all other writes wait.
MOST_RESTORED = 8_000_000


class RestoredContexts(Answer):
    of_mirror = False

    contexts: list[About]


class OneSnapshot(Answer):
    of_mirror = False

    snapshot: Snapshot


@operation()
async def restore_context(
    ctx: Context,
    context_id: ContextId | None = None,
    version: Number | None = None,
    snapshot_id: Annotated[ContextId | None, Field(description="restore its versions")] = None,
) -> RestoredContexts:
    """Make an old version the newest again, or every version in a snapshot."""
    needs: access.Access = "write"
    if snapshot_id is None and context_id is not None and version is not None:
        wanted = {context_id: version}
    elif snapshot_id is not None and context_id is not None and version is None:
        wanted = {context_id: await version_in(ctx, snapshot_id, context_id)}
    elif snapshot_id is not None and version is None:
        wanted, needs = await versions_in(ctx, snapshot_id), "read"
    else:
        raise Refused(
            "invalid_arguments",
            "Pass `context_id` and `version`, or `snapshot_id`, or `snapshot_id` and `context_id`.",
        )
    await _check_size(ctx, wanted)
    restored = [await _restore(ctx, each, wanted[each], needs) for each in sorted(wanted)]
    return RestoredContexts(contexts=[context_view(row) for row in restored])


async def _check_size(ctx: Context, wanted: dict[str, int]) -> None:
    """Raise Refused if the versions are too large for one call."""
    here = (ctx.tx, ctx.installation_id)
    rows = await contexts.several(*here, list(wanted))
    changed = {row["id"]: wanted[row["id"]] for row in rows if row["version"] != wanted[row["id"]]}
    size = await versions.size(ctx, changed) if len(changed) > 1 else 0
    if size > MOST_RESTORED:
        raise Refused(
            "too_large",
            f"These versions have {size} bytes; one call restores at most {MOST_RESTORED}. Restore "
            "one context at a time: pass `snapshot_id` and `context_id`. Nothing was changed.",
            size=size,
            largest=MOST_RESTORED,
        )


async def _restore(
    ctx: Context, context_id: str, version: int, needs: access.Access
) -> AccessibleContext:
    """Add a version with the content of an old one, unless the old one is the newest.

    Adding needs the access "write". `needs` is the access for a context that stays the same.
    Raise Refused.
    """
    await access.find(ctx, context_id, needs)
    await contexts.lock(ctx.tx, ctx.installation_id, context_id)
    row = await access.find(ctx, context_id, needs)
    if version == row["version"]:
        return row
    read = await versions.read_exactly(ctx, row, version)
    new = await advance(ctx, row)
    note = f"version {version} restored"
    await versions.add_copy(ctx, context_id, new["version"], read, note)
    await access.record(ctx, new, "restored", version=new["version"], restored=version)
    return new


@operation()
async def snapshot_contexts(
    ctx: Context,
    name: Name,
    context_ids: Annotated[
        list[ContextId], Field(max_length=MOST_MEMBERS, description="the contexts' ids")
    ] = [],  # noqa: B006 - pydantic copies it
    task: TaskRef | None = None,
) -> OneSnapshot:
    """Snapshot the current versions of these contexts, or of a task's contexts."""
    if bool(context_ids) == bool(task):
        raise Refused("invalid_arguments", "Pass either `context_ids` or `task`.")
    if await snapshots.count(ctx.tx, ctx.installation_id, ctx.actor.name) >= MOST_SNAPSHOTS:
        raise access.too_many_error(
            f"You have {MOST_SNAPSHOTS} snapshots, which is the limit",
            MOST_SNAPSHOTS,
            "Use one of them instead.",
        )
    rows = await (_contexts_of_task(ctx, task) if task else _contexts_by_id(ctx, context_ids))
    row: ContextSnapshotRow = {
        "installation_id": ctx.installation_id,
        "id": ids.new("s", ctx.now),
        "name": name,
        "author": ctx.actor.name,
        "at": ctx.now,
        "members": {each["id"]: each["version"] for each in rows},
    }
    await snapshots.add(ctx.tx, row)
    return OneSnapshot(snapshot=snapshot_view(row, set(row["members"])))


async def _contexts_by_id(ctx: Context, context_ids: list[str]) -> list[FullContext]:
    reach = ctx.actor.repositories
    rows = await contexts.several(ctx.tx, ctx.installation_id, context_ids, reach)
    may = await access.accesses(ctx.tx, ctx.actor, rows)
    for each in context_ids:
        if may.get(each, "none") == "none":
            raise access.unknown(each)
    return rows


async def _contexts_of_task(ctx: Context, task: str) -> list[FullContext]:
    bound = await visible_task(ctx, task)
    rows = await contexts.page(ctx.tx, ctx.installation_id, task_id=bound["id"], limit=LOOKED_AT)
    may = await access.accesses(ctx.tx, ctx.actor, rows)
    readable = [row for row in rows if may[row["id"]] != "none"]
    if not readable:
        raise Refused("unknown_context", f"{task} has no context that you may read.")
    if len(readable) > MOST_MEMBERS:
        raise access.too_many_error(
            f"{task} has more than {MOST_MEMBERS} contexts, too many for one snapshot",
            MOST_MEMBERS,
            "Pass some of them as `context_ids`.",
        )
    return readable
