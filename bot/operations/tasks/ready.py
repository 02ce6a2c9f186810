"""The ready tasks, best first, as claim_task would take them."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.kernel.pagination import decode, encode
from store.tasks import ready
from store.tasks.ready import Place, Wanted
from store.tasks.tasks import FullTask


async def page(
    ctx: Context, wanted: Wanted, limit: int, cursor: str | None
) -> tuple[list[FullTask], str | None]:
    """A page, and the cursor of the next. Raise Refused for a cursor of something else."""
    here = (ctx.tx, ctx.installation_id, ctx.actor.name)
    rows = await ready.page(*here, wanted, _after(cursor), limit + 1)
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    place = (last["priority"], last["failures"], last["created_at"], last["id"])
    return rows[:limit], encode(" ".join(map(str, place)))


def _after(cursor: str | None) -> Place | None:
    if not cursor:
        return None
    *place, task_id = decode(cursor).split(" ")
    if len(place) != 3 or not all(each.isdecimal() and len(each) < 19 for each in place):
        raise Refused(
            "invalid_arguments",
            "`cursor` is wrong: pass next_cursor of a list_tasks answer for `ready`, unchanged.",
        )
    priority, failures, created_at = map(int, place)
    return {"priority": priority, "failures": failures, "created_at": created_at, "id": task_id}
