"""What keeps the tasks of a list waiting."""

from collections.abc import Sequence
from typing import TypedDict

from bot.kernel.operation import Context
from bot.tasks import eligibility
from bot.tasks.states import CLAIMABLE
from store.mirror import relations
from store.mirror.relations import Around, Awaited, Neighbour, is_blocking
from store.tables.tasks import TaskState
from store.tasks import planned_relations

# How many issues a line names.
MOST = 5
PLANNED = "relations that GitHub does not have yet"


class WaitingTask(TypedDict):
    """What decides whether, and for what, a task waits."""

    id: str
    issue_id: int | None
    state: TaskState


async def blockers(ctx: Context, rows: Sequence[WaitingTask]) -> dict[str, list[str]]:
    """The names of what each task waits for, by the task's id."""
    waiting = [row for row in rows if row["state"] in CLAIMABLE]
    planned = await _waiting_for_relations(ctx, waiting)
    issue_ids = {row["issue_id"] for row in waiting if row["issue_id"] is not None}
    found: dict[int | None, list[Awaited]] = {}
    for each in await relations.awaited_by(ctx.tx, ctx.installation_id, issue_ids):
        found.setdefault(each["waits_id"], []).append(each)
    shown = {
        row["id"]: _names(ctx, found[row["issue_id"]])
        for row in waiting
        if row["issue_id"] in found
    }
    for task_id in planned:
        shown.setdefault(task_id, []).append(PLANNED)
    return shown


async def _waiting_for_relations(ctx: Context, rows: Sequence[WaitingTask]) -> set[str]:
    """The ids of those tasks that will have relations that GitHub does not have yet."""
    if not ctx.state["has_planned"]:
        return set()
    ids = [row["id"] for row in rows]
    return await planned_relations.waiting_among(ctx.tx, ctx.installation_id, ids)


async def blockers_among(ctx: Context, row: WaitingTask, around: Around) -> list[str]:
    """What one task waits for, from the relations of its issue."""
    if row["state"] not in CLAIMABLE:
        return []
    waits = [each for each in (*around["sub_issues"], *around["blockers"]) if is_blocking(each)]
    waits.sort(key=lambda each: each["number"] or 0)
    return _names(ctx, waits) + ([PLANNED] if await _waiting_for_relations(ctx, [row]) else [])


def _names(ctx: Context, awaited: Sequence[Neighbour]) -> list[str]:
    names = eligibility.names(ctx.actor, awaited)
    more = [f"{len(names) - MOST} more"] if len(names) > MOST else []
    return names[:MOST] + more
