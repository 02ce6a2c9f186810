"""What is left of GitHub's limits, who used it, and what agents reported to spend, over time."""

from typing import Any, get_args

from bot.operations.github.budget_history import Range
from webhooks.page.visit import Visit

RANGES = get_args(Range)


async def budget(visit: Visit) -> dict[str, Any]:
    wanted = visit.value("range", "day")
    return {
        "now_left": await visit.call("get_budget"),
        "found": await visit.call("get_budget_history", range=wanted),
        "wanted": wanted,
        "ranges": RANGES,
    }
