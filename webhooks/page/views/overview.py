"""What needs a person, and what happens in the account at this moment."""

from typing import Any

from webhooks.page.shared_answers import ask
from webhooks.page.visit import Visit

# Of each list on the overview.
SHOWN = 10
# Items that need a person. There are at most 100 of a kind.
MOST_ITEMS = 100
# Where a person can do something about it: the folder of the page of what the item's key names.
FOLDERS = {"tool_parked": "tools", "plugin_failing": "plugins", "tracker_failing": "trackers"}


def _place(kind: str, key: str) -> str:
    """The page about it, if that is a tool, a plug-in or a tracker: keys are `kind:name:since`."""
    folder = FOLDERS.get(kind)
    return f"{folder}/{key.split(':')[1]}" if folder else ""


async def overview(visit: Visit) -> dict[str, Any]:
    attention = await ask(visit, "list_attention")
    return {
        "attention": attention,
        "items": attention.items[:MOST_ITEMS],
        "places": {each.key: _place(each.kind, each.key) for each in attention.items[:MOST_ITEMS]},
        "total": sum(each.total for each in attention.counts),
        "counts": await ask(visit, "count_tasks"),
        "working": await ask(visit, "list_tasks", state="in_progress", limit=SHOWN, detail="full"),
        "reviewing": await ask(visit, "list_tasks", state="in_review", limit=SHOWN, detail="full"),
        "fleet": await ask(visit, "get_fleet"),
        "budget": await visit.call("get_budget"),
        "shown": SHOWN,
    }
