"""Circles of agents that wait for each other: found, told, listed, and gone again."""

from functools import partial
from typing import Any

import pytest

from bot.attention import items
from bot.background import expiry
from bot.messages import deadlocks
from tests.support.office import Office, leaves
from tests.support.story import Agent, Workspace


async def ask(agent: Agent, to: str) -> str:
    found = await agent.call("consult_agents", question="?", agents=[to])
    return str(found["consultation"])


async def told(agent: Agent) -> list[str]:
    found = await agent.call("get_messages", state="notices")
    return [each["message"] for each in found["past_notices"] if each["kind"] == "deadlock"]


async def listed(office: Office) -> list[str]:
    i = office.installation_id
    found = await office.store.read(lambda tx: items.open_kinds(tx, i, None, ["deadlock"]))
    return [item.title for each in found for item in each.items]


async def test_agents_that_ask_only_each_other_are_told_of_their_circle(office: Office) -> None:
    ada, bob, cyd = [await office.agent(each) for each in ("ada", "bob", "cyd")]
    of_ada = await ask(ada, "bob")
    of_bob = await ask(bob, "cyd")
    assert await told(ada) == await told(bob) == await listed(office) == []
    of_cyd = await ask(cyd, "ada")
    circle = (
        "You wait in a circle, in which nobody can go on: cyd waits for ada, ada waits for bob, "
        "bob waits for cyd. "
    )
    (said,) = await told(ada)
    assert said == (
        f"{circle}You wait for the answer of bob to {of_ada}: delete_message takes it back. "
        f"cyd waits for your answer to {of_cyd}: send_message with `reply_to` gives it. "
        "One of these is enough."
    )
    assert [len(await told(each)) for each in (bob, cyd)] == [1, 1]
    assert await listed(office) == ["ada, bob and cyd wait for each other."]
    await bob.call("send_message", to="ada", body="Yes", reply_to=of_ada)
    assert await listed(office) == []
    assert of_bob


async def test_a_waiting_agent_wakes_when_a_circle_closes(office: Office) -> None:
    ada, bob = [await office.agent(each) for each in ("ada", "bob")]
    await ask(ada, "bob")
    cursor = (await ada.call("wait_for_events", topics=["agents"]))["cursor"]
    await ask(bob, "ada")
    found = await ada.call("wait_for_events", topics=["agents"], cursor=cursor)
    assert [each["kind"] for each in found["events"]] == ["agent.deadlocked"]
    assert found["events"][0]["data"]["agents"] == ["bob", "ada"]
    assert "deadlock" in [each["kind"] for each in found["notices"]]


async def test_a_busy_agent_and_questions_to_several_make_no_circle(office: Office) -> None:
    ada, bob, cyd = [await office.agent(each) for each in ("ada", "bob", "cyd")]
    await ask(ada, "bob")
    await ask(cyd, "bob")
    await bob.call("consult_agents", question="?", agents=["ada", "cyd"])
    await bob.call("consult_agents", question="?", role="developer")
    await bob.call("send_message", to="ada", body="Wait", priority="high")
    assert [await told(each) for each in (ada, bob, cyd)] == [[], [], []]
    assert await listed(office) == []


@pytest.mark.parametrize("how", ["withdrawn", "expired", "left"])
async def test_a_circle_is_listed_until_a_wait_ends(office: Office, how: str) -> None:
    ada, bob = [await office.agent(each) for each in ("ada", "bob")]
    question = await ask(ada, "bob")
    await ask(bob, "ada")
    assert await listed(office) == ["ada and bob wait for each other."]
    if how == "withdrawn":
        await ada.call("delete_message", message_id=question)
    elif how == "left":
        await leaves(office, "ada")
    else:
        office.clock.forward(3600)
    await office.time_passes(0)
    assert await listed(office) == []
    assert await office.rows("SELECT * FROM wait_circles WHERE installation_id = :i") == []


async def test_of_two_circles_the_other_one_is_listed_when_the_first_ends(office: Office) -> None:
    ada, bob, cyd = [await office.agent(each) for each in ("ada", "bob", "cyd")]
    short = await ask(bob, "ada")
    await ask(bob, "cyd")
    await ask(cyd, "ada")
    await ask(ada, "bob")  # closes both
    assert await listed(office) == ["ada and bob wait for each other."]
    await ada.call("send_message", to="bob", body="Yes", reply_to=short)
    assert await listed(office) == ["ada, bob and cyd wait for each other."]
    assert len(await told(cyd)) == 1


async def block(workspace: Workspace, blocked: str, by: str) -> None:
    boss = await workspace.agent("boss", "tech-lead")
    await boss.call("github_update_issue", issue=blocked, blocked_by=[by])
    await workspace.settle()


async def test_tasks_that_block_each_others_holders_close_a_circle(workspace: Workspace) -> None:
    ada, bob = [await workspace.agent(each) for each in ("ada", "bob")]
    names = [workspace.name(await workspace.task(f"Task {n}")) for n in range(4)]
    for agent, task in zip((ada, ada, bob, bob), names, strict=True):
        await agent.call("claim_task", task=task)
    await block(workspace, names[0], names[2])
    assert await told(ada) == []
    await block(workspace, names[3], names[1])
    (said,) = await told(bob)
    assert said == (
        "You wait in a circle, in which nobody can go on: bob waits for ada, ada waits for bob. "
        f"{names[3]} is blocked by a task of ada: release_task gives it back. "
        f"ada waits for {names[2]}, which you hold. One of these is enough."
    )
    assert len(await told(ada)) == 1
    # The same again says nothing new.
    here: dict[str, Any] = {"installation_id": workspace.installation.id, "agent_id": "ada"}
    await workspace.store.write(partial(deadlocks.check_agent, **here))
    assert (len(await told(ada)), len(await told(bob))) == (1, 1)


async def test_a_claim_closes_a_circle(workspace: Workspace) -> None:
    ada, bob = [await workspace.agent(each) for each in ("ada", "bob")]
    first, second = [workspace.name(await workspace.task(f"Task {n}")) for n in range(2)]
    await bob.call("claim_task", task=first)
    await block(workspace, first, second)
    await ask(ada, "bob")
    assert await told(ada) == []
    fence = (await ada.call("claim_task", task=second))["fence"]
    assert len(await told(ada)) == len(await told(bob)) == 1
    await ada.call("release_task", task=second, fence=fence)
    while await expiry.step(workspace.store):
        pass
    q = "SELECT * FROM wait_circles WHERE installation_id = :i"
    assert await workspace.rows(q) == []
