"""What happens in the account at this moment."""

from typing import Any

from webhooks.page.visit import Visit

# Of each list on the overview.
SHOWN = 10


async def overview(visit: Visit) -> dict[str, Any]:
    return {
        "agents": await visit.call("list_agents", limit=SHOWN),
        "working": await visit.call("list_tasks", state="in_progress", limit=SHOWN),
    }
