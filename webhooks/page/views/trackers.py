"""Foreign trackers whose issues become tasks: how each is, its issues and its reports."""

from typing import Any

from bot.errors import Refused
from webhooks.page.visit import Visit


async def trackers(visit: Visit) -> dict[str, Any]:
    """`trackers` is None for those who do not lead every repository; `why_not` says so."""
    try:
        found = await visit.call("list_trackers")
    except Refused as exc:
        if exc.code != "forbidden":
            raise
        return {"trackers": None, "why_not": exc.message}
    return {"trackers": found.trackers, "why_not": ""}


async def tracker(visit: Visit) -> dict[str, Any]:
    found = await visit.call("get_tracker", tracker=visit.part("tracker"))
    return {"title": found.tracker.name, "tracker": found.tracker, "details": found}
