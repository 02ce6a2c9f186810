"""The agents: what each holds, and when it was last active."""

from typing import Any, get_args

from bot.identity.actors import ROLES
from store.agents.agents import Status
from webhooks.page.visit import Visit

ON_A_PAGE = 50


async def fleet(visit: Visit) -> dict[str, Any]:
    wanted = {name: visit.value(name) for name in ("status", "role", "capability", "system")}
    found = await visit.call("list_agents", limit=ON_A_PAGE, cursor=visit.value("cursor"), **wanted)
    return {"found": found, "wanted": wanted, "statuses": get_args(Status), "roles": ROLES}
