"""Who did what, by actor, operation and time."""

from typing import Any

from webhooks.page.visit import Visit

FILTERS = ("actor", "action", "since", "until")


async def audit(visit: Visit) -> dict[str, Any]:
    wanted = {name: visit.value(name) for name in FILTERS}
    found = await visit.call("list_audit", cursor=visit.value("cursor"), **wanted)
    return {"found": found, "wanted": wanted}
