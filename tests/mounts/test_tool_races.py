"""Many calls of one tool at once: no limit is exceeded, and a key has one call."""

import asyncio
from collections import Counter
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity.actors import Actor
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent
from tests.support.tool_desk import ToolDesk, away, spec

T = "shop__order"
A = {"title": "Pump"}
CALLS = 30


async def outcome(agent: Agent, **given: Any) -> str:
    try:
        await agent.call("call_tool", tool=T, arguments=A, **given)
    except Refused as exc:
        return f"{exc.code} {exc.details.get('limit', '')}".strip()
    return "ok"


async def all_at_once(desk: ToolDesk, agents: int = 6) -> Counter[str]:
    """Calls of several agents in two processes."""
    names = [f"a{n}" for n in range(agents)]
    for each in names:
        await desk.agent(each)
    other = Dispatcher(desk.store, desk.dispatcher.shared)
    processes = (desk.dispatcher, other)
    callers = [
        Agent(processes[n % 2], Actor(desk.installation_id, names[n % agents], "developer"))
        for n in range(CALLS)
    ]
    return Counter(await asyncio.gather(*map(outcome, callers)))


async def test_no_more_calls_pass_than_a_minute_has(desk: ToolDesk) -> None:
    await desk.mount("shop", spec("order"))
    await desk.set(T, calls_a_minute=5)
    assert await all_at_once(desk) == {"ok": 5, "tool_limit calls_a_minute": CALLS - 5}
    assert len(desk.servers.calls) == 5


async def test_no_more_is_spent_than_a_day_has_and_what_was_not_sent_costs_nothing(
    desk: ToolDesk,
) -> None:
    await desk.mount("shop", spec("order"))
    await desk.set(T, price="0.30", cost_a_day="1.00")
    # Each call has one more attempt, because nothing was sent.
    desk.servers.answers["order"] = [away() for _ in range(2 * CALLS)]
    found = await all_at_once(desk)
    assert set(found) <= {"tool_unavailable", "tool_limit cost_a_day"}
    (row,) = await desk.rows("tool_usage")
    assert row["cost"] == 0
    desk.servers.answers.clear()
    assert await all_at_once(desk) == {"ok": 3, "tool_limit cost_a_day": CALLS - 3}
    (row,) = await desk.rows("tool_usage")
    assert row["cost"] == 900_000


async def test_a_key_at_two_processes_at_once_has_one_call(desk: ToolDesk) -> None:
    await desk.mount("shop", spec("order"))
    ada = await desk.agent("ada")
    processes = [desk.dispatcher, *(Dispatcher(desk.store, desk.dispatcher.shared) for _ in "abc")]
    desk.servers.waits = asyncio.Event()
    calls = [asyncio.create_task(outcome(Agent(each, ada.actor), key="k")) for each in processes]
    done, running = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    while len(running) > 1:
        more, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    desk.servers.waits.set()
    assert [each.result() for each in done] == ["outcome_unknown"] * 3
    assert [await each for each in running] == ["ok"]
    assert len(desk.servers.calls) == 1
    # Each of them has the answer now.
    repeated = [await outcome(Agent(each, ada.actor), key="k") for each in processes]
    assert (repeated, len(desk.servers.calls)) == (["ok"] * 4, 1)


@ON_SQLITE
async def test_a_key_is_for_one_call_of_one_agent(desk: ToolDesk) -> None:
    await desk.mount("shop", spec("order"))
    ada, bob = await desk.agent("ada"), await desk.agent("bob")
    assert await outcome(ada, key="k") == "ok"
    assert await outcome(bob, key="k") == "ok"
    other = await ada.refusal("call_tool", tool=T, arguments={"title": "Valve"}, key="k")
    assert other.code == "key_reused"
    assert [given for *_, given in desk.servers.calls] == [A, A]


async def test_calls_through_a_fallback_count_within_the_limits_there(desk: ToolDesk) -> None:
    await desk.mount("shop", spec("order"))
    await desk.mount("spare", spec("order"))
    await desk.set(T, fallback="spare", price="0.01")
    await desk.set("spare__order", calls_a_minute=5, price="0.10")
    # While its own server answers, the other one is reserved and given back.
    assert await all_at_once(desk) == {"ok": CALLS}
    assert await used(desk) == {"shop": (CALLS, 300_000), "spare": (0, 0)}
    desk.servers.answers["shop__order"] = [away() for _ in range(2 * CALLS)]
    assert await all_at_once(desk) == {"ok": 5, "tool_unavailable": CALLS - 5}
    assert sum(server == "spare" for server, *_ in desk.servers.calls) == 5
    # What was not sent costs nothing there, and what was costs what it costs at the other server.
    assert await used(desk) == {"shop": (2 * CALLS, 300_000), "spare": (5, 500_000)}
    costs = Counter(row["cost"] for row in await desk.rows("tool_calls"))
    assert costs == {10_000: CALLS, 100_000: 5, 0: CALLS - 5}


async def used(desk: ToolDesk) -> dict[str, tuple[int, int]]:
    """By server, the calls and what they cost."""
    rows = await desk.rows("tool_usage")
    return {desk.servers.names[each["mount_id"]]: (each["calls"], each["cost"]) for each in rows}
