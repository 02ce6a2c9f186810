"""What to change, from what was recorded."""

from typing import Any

from webhooks.page.visit import Visit

# Days to look back.
CHOICES = ("1", "7", "30", "90")
USUAL = "7"


async def insights(visit: Visit) -> dict[str, Any]:
    wanted = visit.value("days", USUAL)
    # What is no number is refused by the operation.
    days = int(wanted) if wanted.isdecimal() and len(wanted) < 5 else wanted
    found = await visit.call("get_insights", days=days)
    return {"found": found, "wanted": wanted, "choices": CHOICES}
