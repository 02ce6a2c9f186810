"""One task: what it is, what happened on it, and what a person can do."""

from typing import Any

from bot.errors import Refused
from bot.kernel import event_kinds
from webhooks.page.visit import Visit

ON_A_PAGE = 50
ENDED = ("completed", "failed", "cancelled")
# Who may not read these sees the page without them.
HIDDEN = ("forbidden",)


async def task(visit: Visit) -> dict[str, Any]:
    name = task_name(visit)
    found = await visit.call("get_task", task=name)
    return {
        "title": found.task.title,
        "found": found,
        "task": found.task,
        "history": await visit.call(
            "get_task_history", task=name, limit=ON_A_PAGE, cursor=visit.value("cursor")
        ),
        "messages": await _if_allowed(visit, "get_task_messages", name),
        "contexts": await _if_allowed(visit, "list_contexts", name),
        "why": await visit.call("explain_task", task=name),
        "kinds": event_kinds.KINDS,
        "is_ended": found.task.state in ENDED,
        "may_change": visit.may("change_task"),
    }


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
