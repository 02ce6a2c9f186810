"""The tasks as a list, with filters in the address."""

from typing import Any

from bot.tasks.states import STATES
from webhooks.page.visit import Visit

ON_A_PAGE = 50
FILTERS = ("state", "repository", "holder", "label", "assignee")
STATE_CHOICES = ("open", "ready", "blocked", "any", *STATES)


async def tasks(visit: Visit) -> dict[str, Any]:
    wanted = {name: visit.value(name) for name in FILTERS}
    found = await visit.call("list_tasks", limit=ON_A_PAGE, cursor=visit.value("cursor"), **wanted)
    return {"found": found, "wanted": wanted, "states": STATE_CHOICES}
