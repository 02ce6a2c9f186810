"""A snapshot, for those who may read what it has."""

from bot.contexts import access
from bot.errors import Refused
from bot.kernel.operation import Context
from store.contexts import snapshots
from store.tables.contexts import ContextSnapshotRow


class VisibleSnapshot(ContextSnapshotRow):
    """A snapshot, with how many of its members the actor may not read."""

    others: int


async def find(ctx: Context, snapshot_id: str) -> VisibleSnapshot:
    """With the members that the actor may read, and how many others it has. Raise Refused."""
    row = await snapshots.get(ctx.tx, ctx.installation_id, snapshot_id)
    seen = await access.readable_ones(ctx.tx, ctx.actor, list(row["members"])) if row else set()
    if row is None or not seen:
        raise Refused(
            "unknown_context",
            f"There is no snapshot {snapshot_id!r} with a context that you may read. "
            "list_contexts with `snapshots` shows yours.",
        )
    members = {k: v for k, v in row["members"].items() if k in seen}
    return {**row, "members": members, "others": len(row["members"]) - len(members)}


async def versions_in(ctx: Context, snapshot_id: str) -> dict[str, int]:
    """The versions of all its members. Raise Refused unless the actor may read each."""
    row = await find(ctx, snapshot_id)
    members: dict[str, int] = row["members"]
    if row["others"]:
        raise Refused(
            "forbidden",
            f"{row['others']} of its {row['others'] + len(members)} contexts you may not read, so "
            f"{snapshot_id} is not restored as a whole; nothing was changed. Restore the others "
            "one by one, each by its `context_id` beside `snapshot_id`.",
            contexts=sorted(members),
        )
    return members


async def version_in(ctx: Context, snapshot_id: str, context_id: str) -> int:
    members = (await find(ctx, snapshot_id))["members"]
    if context_id not in members:
        raise Refused("unknown_context", f"{context_id} is not in the snapshot {snapshot_id}.")
    return int(members[context_id])
