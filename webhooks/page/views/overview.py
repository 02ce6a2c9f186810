"""What needs a person, and what happens in the account at this moment."""

from typing import Any

from webhooks.page.shared_answers import ask
from webhooks.page.visit import Visit

# Of each list on the overview.
SHOWN = 10
# Items that need a person. There are at most 100 of a kind.
MOST_ITEMS = 100


async def overview(visit: Visit) -> dict[str, Any]:
    attention = await ask(visit, "list_attention")
    return {
        "attention": attention,
        "items": attention.items[:MOST_ITEMS],
        "total": sum(each.total for each in attention.counts),
        "counts": await ask(visit, "count_tasks"),
        "working": await ask(visit, "list_tasks", state="in_progress", limit=SHOWN, detail="full"),
        "reviewing": await ask(visit, "list_tasks", state="in_review", limit=SHOWN, detail="full"),
        "fleet": await ask(visit, "get_fleet"),
        "budget": await visit.call("get_budget"),
        "shown": SHOWN,
    }
