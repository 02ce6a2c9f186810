"""Where people get notifications, and how the last one went."""

from typing import Any

from bot.errors import Refused
from webhooks.page.visit import Visit


async def notifications(visit: Visit) -> dict[str, Any]:
    """`targets` is None for those who do not lead every repository; `why_not` says so."""
    try:
        found = await visit.call("list_notification_targets")
    except Refused as exc:
        if exc.code != "forbidden":
            raise
        return {"targets": None, "why_not": exc.message}
    return {"targets": found.targets, "why_not": ""}
