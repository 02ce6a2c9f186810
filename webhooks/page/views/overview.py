"""What needs a person, and what happens in the account at this moment."""

from typing import Any

from webhooks.page.counts import counts_of
from webhooks.page.visit import Visit

# Of each list on the overview.
SHOWN = 10
# Items that need a person. There are at most 100 of a kind.
MOST_ITEMS = 100


async def overview(visit: Visit) -> dict[str, Any]:
    attention = await visit.call("list_attention")
    return {
        "attention": attention,
        "items": attention.items[:MOST_ITEMS],
        "total": sum(each.total for each in attention.counts),
        "counts": await counts_of(visit),
        "working": await visit.call("list_tasks", state="in_progress", limit=SHOWN, detail="full"),
        "reviewing": await visit.call("list_tasks", state="in_review", limit=SHOWN, detail="full"),
        "fleet": await visit.call("get_fleet"),
        "budget": await visit.call("get_budget"),
        "shown": SHOWN,
    }
