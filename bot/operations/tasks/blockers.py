"""What keeps the tasks of a list waiting."""

from collections.abc import Sequence

from bot.kernel.operation import Context
from bot.tasks import eligibility
from bot.tasks.states import CLAIMABLE
from store.mirror import relations
from store.mirror.relations import Awaited
from store.tasks import planned_relations
from store.tasks.tasks import FullTask

# How many issues a line names.
MOST = 5
PLANNED = "relations that GitHub does not have yet"


async def blockers(ctx: Context, rows: Sequence[FullTask]) -> dict[str, list[str]]:
    """The names of what each task waits for, by the task's id."""
    waiting = [row for row in rows if row["state"] in CLAIMABLE]
    here = (ctx.tx, ctx.installation_id)
    planned = await planned_relations.waiting_among(*here, [row["id"] for row in waiting])
    issue_ids = {row["issue_id"] for row in waiting if row["issue_id"] is not None}
    found: dict[int, list[Awaited]] = {}
    for each in await relations.awaited_by(*here, issue_ids):
        found.setdefault(each["waits_id"], []).append(each)
    shown = {
        row["id"]: _names(ctx, found.get(row["issue_id"] or 0, []))
        + ([PLANNED] if row["id"] in planned else [])
        for row in waiting
    }
    return {task_id: names for task_id, names in shown.items() if names}


def _names(ctx: Context, awaited: Sequence[Awaited]) -> list[str]:
    names = eligibility.names(ctx.actor, awaited)
    more = [f"{len(names) - MOST} more"] if len(names) > MOST else []
    return names[:MOST] + more
