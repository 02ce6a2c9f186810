"""A pause, its end and an unregistration reach all agents below, and none of them gets free."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from bot.cli import tokens
from bot.errors import Refused
from bot.identity.actors import Actor
from tests.support.agent_runs import (
    FIXER,
    begin,
    set_templates,
    spawn,
    stored_runs,
    workflow_run,
)
from tests.support.api_keys import add_api_key
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


async def below(workspace: Workspace, parent: str, agent_id: str) -> Agent:
    agent = Agent(workspace.dispatcher, Actor(workspace.installation.id, agent_id, "developer"))
    await agent.call("register_agent", agent_id=agent_id, name=agent_id, parent_id=parent)
    return agent


async def line(workspace: Workspace, *names: str) -> list[Agent]:
    """Agents, each below the one before it."""
    made = [await workspace.agent(names[0])]
    for parent, name in pairwise(names):
        made.append(await below(workspace, parent, name))
    return made


async def manage(who: Agent, action: str, agent_id: str, **given: Any) -> list[str]:
    done = await who.call("manage_agent", agent_id=agent_id, action=action, **given)
    return list(done["agents"])


async def pauses(workspace: Workspace) -> dict[str, tuple[str, str | None]]:
    """Who paused each paused agent, and with which agent above."""
    rows = await workspace.rows(
        "SELECT id, paused_by, paused_with FROM agents WHERE installation_id = :i "
        "AND paused_at IS NOT NULL"
    )
    return {row["id"]: (row["paused_by"], row["paused_with"]) for row in rows}


async def test_a_pause_reaches_all_below_and_so_does_its_end(workspace: Workspace) -> None:
    top, _, low = await line(workspace, "top", "mid", "low")
    lead = await workspace.agent("lead", "tech-lead")
    name = workspace.name(await workspace.task())
    await low.call("claim_task", task=name)
    paused = await lead.call("manage_agent", agent_id="top", action="pause", note="Too dear")
    assert (paused["agents"], paused["released"]) == (["low", "mid", "top"], [name])
    refused = await low.refusal("claim_task")
    assert refused.code == "agent_paused"
    assert refused.message.startswith("lead paused you with top, which is above you, ")
    said = {each["kind"]: each["message"] for each in refused.notices}
    assert said["paused"].startswith("lead paused you with top, which is above you: Too dear.")
    assert (await manage(lead, "resume", "top")) == ["low", "mid", "top"]
    assert (await low.call("claim_task", task=name))["handoff"]["holder"] == "low"
    assert await pauses(workspace) == {}
    assert (await manage(top, "pause", "top", with_children=False)) == ["top"]


async def test_what_was_paused_on_its_own_stays_so(workspace: Workspace) -> None:
    top, mid, _ = await line(workspace, "top", "mid", "low")
    await manage(mid, "pause", "low")
    await manage(top, "pause", "top")
    assert await pauses(workspace) == {
        "top": ("top", None),
        "mid": ("top", "top"),
        "low": ("mid", "top"),
    }
    assert await manage(top, "resume", "top") == ["mid", "top"]
    assert await pauses(workspace) == {"low": ("mid", None)}
    assert await manage(mid, "resume", "low") == ["low"]


async def test_no_agent_ends_a_pause_from_above_by_a_pause_of_its_own(
    workspace: Workspace,
) -> None:
    top, mid, low = await line(workspace, "top", "mid", "low")
    lead = await workspace.agent("lead", "tech-lead")
    await manage(low, "pause", "low")
    await manage(mid, "pause", "mid", with_children=False)
    await manage(lead, "pause", "top")
    for who in (top, mid, low):
        me = who.actor.name
        refused = await who.refusal("manage_agent", agent_id=me, action="resume")
        assert (refused.code, refused.details["paused_by"]) == ("forbidden", "lead"), me
    assert "lead paused low with top, which is above it." in refused.message
    await manage(lead, "resume", "top")
    assert await manage(mid, "resume", "mid") == ["mid"]
    assert await manage(low, "resume", "low") == ["low"]


@ON_SQLITE
async def test_who_pauses_itself_does_not_escape_the_pause_of_its_parent(
    workspace: Workspace,
) -> None:
    top, mid, low = await line(workspace, "top", "mid", "low")
    await manage(mid, "pause", "mid")
    await manage(top, "pause", "mid")
    refused = await mid.refusal("manage_agent", agent_id="mid", action="resume")
    assert refused.details["paused_by"] == "top"
    assert (await low.refusal("claim_task")).details["paused_by"] == "top"
    assert await manage(top, "resume", "mid") == ["low", "mid"]


@ON_SQLITE
async def test_a_child_does_not_get_free_by_another_parent(workspace: Workspace) -> None:
    _, mid, low = await line(workspace, "top", "mid", "low")
    lead, other = await workspace.agent("lead", "tech-lead"), await workspace.agent("other")
    await manage(lead, "pause", "top")
    for parent in ("other", ""):
        assert (await low.refusal("update_agent", parent_id=parent)).code == "forbidden"
    await manage(lead, "unregister", "mid", with_children=False)
    await low.call("update_agent", parent_id="top")
    assert (await low.refusal("claim_task")).code == "agent_paused"
    await lead.call("update_agent", agent_id="low", parent_id="other")
    assert (await low.refusal("claim_task")).code == "agent_paused"
    assert (await mid.refusal("manage_agent", agent_id="low", action="resume")).code != "done"
    refused = await other.refusal("manage_agent", agent_id="low", action="resume")
    assert refused.code == "forbidden"


@ON_SQLITE
async def test_nobody_is_placed_below_a_paused_agent(workspace: Workspace) -> None:
    (top,) = await line(workspace, "top")
    await manage(top, "pause", "top")
    child = Agent(workspace.dispatcher, Actor(workspace.installation.id, "child", "developer"))
    given = {"agent_id": "child", "name": "child", "parent_id": "top"}
    refused = await child.refusal("register_agent", **given)
    assert (refused.code, "top paused top" in refused.message) == ("agent_paused", True)


async def test_an_end_reaches_all_below_and_they_are_told(workspace: Workspace) -> None:
    top, _, low = await line(workspace, "top", "mid", "low")
    name = workspace.name(await workspace.task())
    await low.call("claim_task", task=name)
    ended = await top.call("manage_agent", agent_id="top", action="unregister", note="Done")
    assert (ended["agents"], ended["released"]) == (["low", "mid", "top"], [name])
    refused = await low.refusal("claim_task")
    assert refused.code == "not_registered"
    said = {each["kind"]: each["message"] for each in refused.notices}
    assert said["unregistered"] == (
        "top unregistered you with top, which is above you: Done. Call register_agent to come back."
    )
    await low.call("register_agent", agent_id="low", name="low")
    assert (await low.call("claim_task", task=name))["fence"] == 2


async def test_the_runs_of_agents_that_are_unregistered_stop(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead, boss = [await workspace.agent(each, "tech-lead") for each in ("lead", "boss")]
    run = await spawn(lead, repository="acme/rocket", prompt="Go on")
    await begin(workspace, run)
    await manage(boss, "unregister", "lead", note="Over")
    assert await stored_runs(workspace, "state", "why") == [
        ("stopping", "its agent was unregistered by boss: Over")
    ]


async def test_of_a_pause_and_claims_below_at_once_nobody_holds_anything_after(
    workspace: Workspace,
) -> None:
    top, mid, low = await line(workspace, "top", "mid", "low")
    for _ in range(6):
        await workspace.task()
    for n in range(5):
        await asyncio.gather(
            low.call("claim_task"),
            top.call("manage_agent", agent_id="top", action="pause"),
            mid.call("claim_task"),
            return_exceptions=True,
        )
        q = "SELECT id FROM tasks WHERE installation_id = :i AND holder <> ''"
        assert await workspace.rows(q) == [], n
        assert set(await pauses(workspace)) == {"top", "mid", "low"}
        await manage(top, "resume", "top")


async def test_of_a_pause_and_a_registration_below_at_once_nobody_is_left_out(
    workspace: Workspace,
) -> None:
    (top,) = await line(workspace, "top")
    i = workspace.installation.id
    for n in range(5):
        child = Agent(workspace.dispatcher, Actor(i, f"child-{n}", "developer"))
        outcome, _ = await asyncio.gather(
            child.call("register_agent", agent_id=f"child-{n}", name="x", parent_id="top"),
            manage(top, "pause", "top"),
            return_exceptions=True,
        )
        if isinstance(outcome, Refused):
            assert outcome.code == "agent_paused"
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            assert f"child-{n}" in await pauses(workspace)
        await manage(top, "resume", "top")


async def test_with_the_last_token_of_a_parent_all_below_end(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    child = await below(workspace, "lead", "child")
    name = workspace.name(await workspace.task())
    await child.call("claim_task", task=name)
    await begin(workspace, await spawn(lead, repository="acme/rocket", prompt="Go on"))
    keys, here = workspace.dispatcher.shared.keys, workspace.installation.id
    token = await workspace.store.write(lambda tx: add_api_key(tx, keys, here, "lead", "tech-lead"))
    await workspace.store.write(lambda tx: tokens.revoke(tx, token.split("_")[1]))
    why = "the token of lead above it was revoked"
    assert await stored_runs(workspace, "state", "why") == [("stopping", why)]
    refused = await child.refusal("claim_task")
    said = {each["kind"]: each["message"] for each in refused.notices}
    assert refused.code == "not_registered"
    assert f"Hubbub unregistered you: {why}." in said["unregistered"]
    await child.call("register_agent", agent_id="child", name="child")
    assert (await child.call("claim_task", task=name))["handoff"]["why"] == why


@pytest.mark.parametrize(
    ("conclusion", "status"), [("success", "active"), ("failure", "left"), ("cancelled", "left")]
)
async def test_agents_below_a_run_go_on_after_a_success_alone(
    workspace: Workspace, conclusion: str, status: str
) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, repository="acme/rocket", prompt="Go on")
    await begin(workspace, run)
    child = await below(workspace, run["agent_id"], "child")
    name = workspace.name(await workspace.task())
    await child.call("claim_task", task=name)
    workspace.github.ci.finish_run(workflow_run(workspace, run["run_id"]), conclusion)
    await workspace.settle()
    assert (await lead.call("get_agent", agent_id="child"))["agent"]["status"] == status
    holder = (await lead.call("get_task", task=name))["task"]["holder"]
    assert holder == ("child" if status == "active" else None)


@ON_SQLITE
async def test_a_queued_run_waits_while_its_agent_is_paused(workspace: Workspace) -> None:
    await set_templates(workspace, FIXER.replace("templates:", "runs: {parallel: 1}\ntemplates:"))
    lead, boss = [await workspace.agent(each, "tech-lead") for each in ("lead", "boss")]
    given = {"repository": "acme/rocket", "prompt": "Go on"}
    first, second = await spawn(boss, **given), await spawn(lead, **given)
    await begin(workspace, first)
    await manage(boss, "pause", "lead")
    workspace.github.ci.finish_run(workflow_run(workspace, first["run_id"]), "success")
    await workspace.time_passes(60)
    assert await stored_runs(workspace, "state") == [("succeeded",), ("queued",)]
    await manage(boss, "resume", "lead")
    await workspace.time_passes(60)
    assert await stored_runs(workspace, "id", "state") == [
        (first["run_id"], "succeeded"),
        (second["run_id"], "dispatched"),
    ]
