"""What Hubbub will change on GitHub, by state and author: why it waits, and when it goes out."""

from typing import Any

from store.outbox.writes import FINAL, LIVE
from webhooks.page.visit import Visit

STATES = (*LIVE, *FINAL)


async def outbox(visit: Visit) -> dict[str, Any]:
    wanted = {name: visit.value(name) for name in ("state", "author")}
    found = await visit.call("get_outbox", cursor=visit.value("cursor"), **wanted)
    counts = {each.state: each for each in found.counts}
    return {"found": found, "wanted": wanted, "states": STATES, "counts": counts}
