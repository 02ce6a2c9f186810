"""What the account used, and what it may use."""

from typing import Any

from webhooks.page.visit import Visit

# Days to look back.
CHOICES = ("7", "31", "92", "366")
USUAL = "31"
FIRST = ("calls", "tool_calls", "bytes")


async def usage(visit: Visit) -> dict[str, Any]:
    wanted = visit.value("days", USUAL)
    # What is no number is refused by the operation.
    days = int(wanted) if wanted.isdecimal() and len(wanted) < 5 else wanted
    found = await visit.call("get_usage", days=days)
    rows = [found.total, *reversed(found.days)]
    # What costs most comes first, and columns without anything are left out.
    names = [each for each in (*FIRST, *found.total.counts) if found.total.counts[each]]
    return {
        "found": found,
        "rows": rows,
        "names": dict.fromkeys(names),
        "wanted": wanted,
        "choices": CHOICES,
    }
