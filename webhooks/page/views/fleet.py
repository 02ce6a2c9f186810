"""The agents: what each holds and since when, health, spend; and the page of one agent."""

from typing import Any, get_args

from bot.errors import Refused
from bot.identity.actors import ACTIONS, ROLES
from store.agents.agents import Status
from webhooks.page.shared_answers import ask
from webhooks.page.visit import Visit


async def fleet(visit: Visit) -> dict[str, Any]:
    wanted = {name: visit.value(name) for name in ("status", "role", "capability", "system")}
    found = await ask(visit, "get_fleet", cursor=visit.value("cursor"), **wanted)
    return {"found": found, "wanted": wanted, "statuses": get_args(Status), "roles": ROLES}


async def agent(visit: Visit) -> dict[str, Any]:
    name = visit.part("agent")
    found = await visit.call("get_agent", agent_id=name)
    return {
        "title": found.agent.id,
        "found": found,
        "history": await visit.call("get_agent_history", agent_id=name),
        "run": await _run(visit, name),
        "writes": await visit.call("get_outbox", author=name),
        "may_lead": visit.may("manage_agent"),
        "reach": await _reach(visit, name),
    }


async def _reach(visit: Visit, name: str) -> Any | None:
    """How Hubbub reaches the agent, for those who may know it. None if it connects by itself."""
    if not visit.may("get_agent_endpoint"):
        return None
    given = {"delivery_id": visit.value("delivery")} if visit.value("delivery") else {}
    try:
        found = await visit.call("get_agent_endpoint", agent_id=name, **given)
    except Refused as exc:
        if exc.code not in ("forbidden", "unknown_delivery"):
            raise
        return None
    return found if found.endpoint or found.deliveries else None


async def _run(visit: Visit, name: str) -> Any | None:
    """The agent run that the agent is, and what it reported. None if it is no run."""
    if not name.startswith(ACTIONS):
        return None
    try:
        return {
            "status": await visit.call("get_agent_status", agent_id=name),
            "result": await visit.call("get_agent_result", agent_id=name),
        }
    except Refused as exc:
        if exc.code not in ("unknown_run", "forbidden"):
            raise
        return None
