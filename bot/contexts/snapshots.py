"""Snapshots: fixed versions of several contexts, as far as the actor may read them."""

from bot.contexts import access
from bot.errors import Refused
from bot.kernel.operation import Context
from store.contexts import snapshots
from store.tables.contexts import ContextSnapshotRow


class VisibleSnapshot(ContextSnapshotRow):
    """A snapshot, with how many of its members the actor may not read."""

    others: int


async def find(ctx: Context, snapshot_id: str) -> VisibleSnapshot:
    """The snapshot, with its readable members and the number of others. Raise Refused."""
    row = await snapshots.get(ctx.tx, ctx.installation_id, snapshot_id)
    # Ask in any case, so that a snapshot out of reach takes as long as none.
    members = list(row["members"]) if row else [snapshot_id]
    seen = await access.readable_ones(ctx.tx, ctx.actor, members)
    if row is None or not seen:
        raise Refused(
            "unknown_context",
            f"There is no snapshot {snapshot_id!r} with a context that you may read. "
            "list_contexts with `snapshots` lists yours.",
        )
    shown = {k: v for k, v in row["members"].items() if k in seen}
    return {**row, "members": shown, "others": len(row["members"]) - len(shown)}


async def versions_in(ctx: Context, snapshot_id: str) -> dict[str, int]:
    """The versions of all members. Raise Refused unless the actor may read each of them."""
    row = await find(ctx, snapshot_id)
    members: dict[str, int] = row["members"]
    if row["others"]:
        raise Refused(
            "forbidden",
            f"You may not read {row['others']} of the {row['others'] + len(members)} contexts in "
            f"{snapshot_id}, so it was not restored. Nothing was changed. Restore the others one "
            "by one: pass `context_id` with `snapshot_id`.",
            contexts=sorted(members),
        )
    return members


async def version_in(ctx: Context, snapshot_id: str, context_id: str) -> int:
    members = (await find(ctx, snapshot_id))["members"]
    if context_id not in members:
        raise Refused(
            "unknown_context",
            f"{context_id} is not in the snapshot {snapshot_id}, which has "
            f"{', '.join(sorted(members))}.",
        )
    return int(members[context_id])
