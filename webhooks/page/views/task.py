"""One task: what it is, what happened on it, and what a person can do."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from bot.errors import Refused
from bot.operations.github.linked_writes import LinkedWrite
from bot.operations.tasks.task_plan import ProposedStep, TaskPlan
from webhooks.page import timeline
from webhooks.page.visit import Visit

ON_A_PAGE = 50
ENDED = ("completed", "failed", "cancelled")
# Who may not read these sees the page without them.
HIDDEN = ("forbidden",)


async def task(visit: Visit) -> dict[str, Any]:
    name = task_name(visit)
    found = await visit.call("get_task", task=name)
    is_ended, cursor = found.task.state in ENDED, visit.value("cursor")
    history = await visit.call("get_task_history", task=name, limit=ON_A_PAGE, cursor=cursor)
    replaced = replaced_writes(history.writes)
    return {
        "title": found.task.title,
        "found": found,
        "task": found.task,
        "history": history,
        "sentence": partial(timeline.sentence, visit, found.task),
        "writes": [each for each in history.writes if each not in replaced],
        "replaced": replaced,
        "messages": await _if_allowed(visit, "get_task_messages", name),
        "contexts": await _if_allowed(visit, "list_contexts", name),
        "why": None if is_ended else await visit.call("explain_task", task=name),
        "is_ended": is_ended,
        "proposed": await _waiting_plan(visit, name) if history.awaits_approval else [],
        # A later page has the older events alone.
        "is_later": bool(cursor),
        "may_change": visit.may("change_task"),
    }


async def _waiting_plan(visit: Visit, name: str) -> list[ProposedStep]:
    """The steps of the plan that waits for an approval. A gate has none."""
    plan: TaskPlan = await visit.call("get_plan", task=name)
    return plan.proposed


def replaced_writes(writes: Sequence[LinkedWrite]) -> list[LinkedWrite]:
    """Superseded ones, and the texts of the status comment before the newest that was sent."""
    cards = [each for each in writes if each.kind == "card" and each.state == "sent"]
    old = {each.write_id for each in cards[1:]}
    return [each for each in writes if each.state == "superseded" or each.write_id in old]


def task_name(visit: Visit) -> str:
    """The task in the address: `owner/repo#12`, or its id."""
    parts = visit.request.match_info
    if "number" in parts:
        return f"{parts['owner']}/{parts['repository']}#{parts['number']}"
    return parts["task"]


async def _if_allowed(visit: Visit, operation: str, task: str) -> Any | None:
    try:
        return await visit.call(operation, task=task)
    except Refused as exc:
        if exc.code not in HIDDEN:
            raise
        return None
