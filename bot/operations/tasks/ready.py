"""The ready tasks, best first, as claim_task would take them."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.kernel.pagination import decode, encode
from store.engine.transaction import Row
from store.tasks import ready
from store.tasks.ready import Wanted

# What a place in their order is made of.
PLACE = ("priority", "failures", "created_at")


async def page(
    ctx: Context, wanted: Wanted, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """A page, and the cursor of the next. Raise Refused for a cursor of something else."""
    here = (ctx.tx, ctx.installation_id, ctx.actor.name)
    rows = await ready.page(*here, wanted, _after(cursor), limit + 1)
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], encode(" ".join(str(last[each]) for each in (*PLACE, "id")))


def _after(cursor: str | None) -> Row | None:
    if not cursor:
        return None
    *place, task_id = decode(cursor).split(" ")
    if len(place) != len(PLACE) or not all(each.isdecimal() and len(each) < 19 for each in place):
        raise Refused("invalid_arguments", "`cursor` is not one that list_tasks gave for `ready`.")
    return {**dict(zip(PLACE, map(int, place), strict=True)), "id": task_id}
