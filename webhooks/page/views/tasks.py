"""The tasks as a list and as a board, with filters in the address."""

from typing import Any

from bot.tasks.states import STATES
from webhooks.page.shared_answers import ask
from webhooks.page.visit import Visit

ON_A_PAGE, IN_A_COLUMN = 50, 25
FILTERS = ("state", "repository", "holder", "label", "assignee")
# Beside open, which is usual.
STATE_CHOICES = ("ready", "blocked", "any", *STATES)
# The columns of the board: the state, and its heading.
COLUMNS = (
    ("blocked", "Blocked"),
    ("ready", "Ready"),
    ("assigned", "Reserved"),
    ("in_progress", "In progress"),
    ("in_review", "In review"),
    ("completed", "Completed"),
    ("failed", "Failed"),
)


async def tasks(visit: Visit) -> dict[str, Any]:
    wanted = {name: visit.value(name) for name in FILTERS}
    found = await visit.call("list_tasks", limit=ON_A_PAGE, cursor=visit.value("cursor"), **wanted)
    return {
        "found": found,
        "wanted": wanted,
        "states": STATE_CHOICES,
        "counts": await ask(visit, "count_tasks", repository=wanted["repository"]),
    }


async def board(visit: Visit) -> dict[str, Any]:
    wanted = {name: visit.value(name) for name in ("repository", "label")}
    columns = [
        {
            "state": state,
            "heading": heading,
            "found": await visit.call("list_tasks", state=state, limit=IN_A_COLUMN, **wanted),
        }
        for state, heading in COLUMNS
    ]
    counts = await ask(visit, "count_tasks", repository=wanted["repository"])
    # These counts know nothing of labels.
    known = {} if wanted["label"] else counts.counts
    return {"columns": columns, "wanted": wanted, "counts": known, "most": counts.most}
