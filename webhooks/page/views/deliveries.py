"""What GitHub sent: a list by state, and one delivery with its headers and payload."""

from typing import Any

from store.inbox.deliveries import STATES
from webhooks.page.visit import Visit


async def deliveries(visit: Visit) -> dict[str, Any]:
    wanted = visit.value("state")
    found = await visit.call("list_deliveries", state=wanted, cursor=visit.value("cursor"))
    counts = {each.state: each for each in found.counts}
    return {"found": found, "wanted": wanted, "states": STATES, "counts": counts}


async def delivery(visit: Visit) -> dict[str, Any]:
    found = await visit.call("get_delivery", guid=visit.part("guid"))
    return {"found": found, "title": f"Delivery {found.delivery.guid}"}
