"""What an account used by day: counted once, by the day on which it happened."""

import asyncio

import pytest

from bot.identity.actors import Actor
from bot.tenants import usage
from store.engine import ids, sql
from store.tenants import usage_counts
from tests.support.story import Agent, Workspace


def lead(workspace: Workspace) -> Agent:
    return Agent(workspace.dispatcher, Actor(workspace.installation.id, "@octocat", "tech-lead"))


async def counted(workspace: Workspace, days: int = 31) -> dict[str, dict[str, int]]:
    """What is not 0, by day."""
    found = (await lead(workspace).call("get_usage", days=days))["days"]
    return {each["day"]: {name: n for name, n in each["counts"].items() if n} for each in found}


async def test_what_happened_is_counted_by_the_day_and_once(workspace: Workspace) -> None:
    i = workspace.installation.id
    agent = await workspace.agent("ada")
    name = workspace.name(await workspace.task())
    await usage.count(workspace.store, i)
    before = await counted(workspace)
    ((first, counts),) = before.items()
    assert counts["tasks_created"] == counts["agents_registered"] == 1
    workspace.clock.forward(86_400)
    fence = (await agent.call("claim_task", task=name))["task"]["fence"]
    await agent.call("update_task_status", task=name, fence=fence, status="completed")
    await agent.call("send_message", to="ada", body="Done")
    await usage.count(workspace.store, i)
    await usage.count(workspace.store, i)
    after = await counted(workspace)
    assert after[first] == counts
    (second,) = after.keys() - {first}
    wanted = {"claims": 1, "tasks_completed": 1, "messages": 1}
    assert {name: n for name, n in after[second].items() if name in wanted} == wanted
    assert after[second]["calls"] == 3
    assert after[second]["bytes"] > 0


async def test_two_servers_that_count_at_once_count_each_thing_once(workspace: Workspace) -> None:
    i = workspace.installation.id
    agent = await workspace.agent("ada")
    for _ in range(5):
        await agent.call("send_message", to="ada", body="x")
    await asyncio.gather(*(usage.count(workspace.store, i) for _ in range(4)))
    ((_, counts),) = (await counted(workspace)).items()
    assert (counts["messages"], counts["calls"]) == (5, 5)


async def test_a_step_counts_only_what_is_new(workspace: Workspace) -> None:
    i = workspace.installation.id
    await workspace.agent("ada")
    await usage.count(workspace.store, i)
    assert i not in await workspace.store.read(lambda tx: usage_counts.behind(tx, 100_000))
    await workspace.agent("bob")
    assert i in await workspace.store.read(lambda tx: usage_counts.behind(tx, 100_000))


async def test_more_events_than_one_step_takes_are_all_counted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "EVENTS", 3)
    agent = await workspace.agent("ada")
    for _ in range(7):
        await agent.call("send_message", to="ada", body="x")
    await usage.count(workspace.store, workspace.installation.id)
    ((_, counts),) = (await counted(workspace)).items()
    assert (counts["messages"], counts["calls"]) == (7, 7)


async def test_use_beyond_the_days_that_are_asked_for_is_left_out(workspace: Workspace) -> None:
    await workspace.agent("ada")
    await usage.count(workspace.store, workspace.installation.id)
    workspace.clock.forward(3 * 86_400)
    assert await counted(workspace, days=3) == {}
    assert await counted(workspace, days=4) != {}


async def add_tool_call(workspace: Workspace) -> None:
    now = workspace.clock()
    row = {
        "installation_id": workspace.installation.id,
        "id": ids.new("x", now),
        "mount_id": "h",
        "tool": "t",
        "caller": "ada",
        "at": now,
        "outcome": "ok",
        "duration": 1,
        "size": 1,
        "cost": 0,
    }
    await workspace.store.write(lambda tx: tx.run(sql.insert("tool_calls", tuple(row)), **row))


async def test_calls_of_tools_are_counted_a_minute_later(workspace: Workspace) -> None:
    i = workspace.installation.id
    for _ in range(3):
        await add_tool_call(workspace)
    await usage.count(workspace.store, i)
    assert "tool_calls" not in str(await counted(workspace))
    workspace.clock.forward(61)
    for _ in range(2):
        await usage.count(workspace.store, i)
    ((_, counts),) = (await counted(workspace)).items()
    assert counts["tool_calls"] == 3


async def test_what_the_account_has_now_is_shown_beside_its_quotas(workspace: Workspace) -> None:
    agent = await workspace.agent("ada")
    await workspace.agent("bob")
    await workspace.task()
    await agent.call("attach_file", name="a.txt", text="12345")
    found = (await lead(workspace).call("get_usage"))["quotas"]
    held = {each["name"]: each["in_use"] for each in found if each["in_use"] is not None}
    assert held == {"agents": 2, "open_tasks": 1, "file_bytes": 5}


async def test_spend_is_shown_by_currency(workspace: Workspace) -> None:
    agent = await workspace.agent("ada")
    given = {"model": "m", "input_tokens": 1, "output_tokens": 1}
    await agent.call("report_usage", **given, cost="1.50")
    found = await lead(workspace).call("get_usage")
    assert found["total"]["spend"] == {"USD": "1.50"}
