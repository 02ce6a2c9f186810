"""Agents: who they are, whether they are at work, and what becomes of what they hold."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.agents.checkpoints import LARGEST, MOST_KEPT
from bot.agents.hierarchy import DEEPEST, MOST_AGENTS
from bot.cli.session import make_shared
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.settings import WrongSettings
from bot.settings import load as load_settings
from store.agents import agents
from store.agents.agents import COLUMNS, WINDOW
from store.engine import sql
from tests.support.engines import ON_SQLITE
from tests.support.mcp_clients import ERAS, connected_by
from tests.support.server_in_process import Surface
from tests.support.story import Agent, Workspace
from webhooks.metrics import Metrics


async def below(workspace: Workspace, parent: str, agent_id: str) -> Agent:
    """A registered agent with a parent."""
    agent = Agent(workspace.dispatcher, Actor(workspace.installation.id, agent_id, "developer"))
    await agent.call("register_agent", agent_id=agent_id, name=agent_id, parent_id=parent)
    return agent


async def line(workspace: Workspace, *names: str) -> list[Agent]:
    """Agents, each below the one before it."""
    made = [await workspace.agent(names[0])]
    for parent, name in pairwise(names):
        made.append(await below(workspace, parent, name))
    return made


async def agent_events(workspace: Workspace, topic: str = "agent") -> list[tuple[str, str, str]]:
    rows = await workspace.rows(
        "SELECT kind, subject, actor FROM events WHERE installation_id = :i "
        "AND kind LIKE :topic ORDER BY seq",
        topic=f"{topic}.%",
    )
    return [(row["kind"], row["subject"], row["actor"]) for row in rows]


async def claim(workspace: Workspace, agent: Agent, **given: Any) -> dict[str, Any]:
    return await agent.call("claim_task", task=workspace.name(await workspace.task()), **given)


async def status(agent: Agent, agent_id: str) -> str:
    return str((await agent.call("get_agent", agent_id=agent_id))["agent"]["status"])


# --- Who they are ---------------------------------------------------------------------------------


async def test_registering_again_changes_what_was_said_and_happens_once(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout", "developer", "python")
    first = (await agent.call("get_agent", agent_id="scout"))["agent"]
    again = await agent.call(
        "register_agent", agent_id="scout", name="Scout", system="codex", capabilities=["go:2"]
    )
    changed = {"name": "Scout", "system": "codex", "capabilities": ["go:2"]}
    changed["last_active_at"] = again["agent"]["last_active_at"]
    assert again["agent"] == first | changed
    assert await agent_events(workspace) == [("agent.registered", "scout", "scout")]


async def test_of_many_registrations_at_once_one_counts(workspace: Workspace) -> None:
    one = Agent(workspace.dispatcher, Actor(workspace.installation.id, "twin", "developer"))
    given = {"agent_id": "twin", "name": "twin", "capabilities": ["python:3"]}
    answers = await asyncio.gather(*(one.call("register_agent", **given) for _ in range(20)))
    assert {each["agent"]["registered_at"] for each in answers} == {
        answers[0]["agent"]["registered_at"]
    }
    assert await agent_events(workspace) == [("agent.registered", "twin", "twin")]
    assert len(await workspace.rows("SELECT id FROM agents WHERE installation_id = :i")) == 1


@ON_SQLITE
async def test_nobody_registers_as_another(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    refused = await agent.refusal("register_agent", agent_id="other", name="Other")
    assert refused.code == "forbidden"


@ON_SQLITE
async def test_no_agent_has_an_id_that_messages_take_for_others(workspace: Workspace) -> None:
    for name in ("everybody", "holder"):
        agent = Agent(workspace.dispatcher, Actor(workspace.installation.id, name, "tech-lead"))
        refused = await agent.refusal("register_agent", agent_id=name, name=name)
        assert refused.code == "invalid_arguments"
        assert f"{name!r} cannot be an agent's id" in refused.message
    for name in ("every", "holders", "role", "capability"):
        agent = await workspace.agent(name)
        sent = await agent.call("send_message", to=name, body="x")
        assert sent["recipients"] == [name]


@pytest.mark.parametrize("wrong", ["Python", "python:0", "python:6", "py thon", "", "a" * 64])
@ON_SQLITE
async def test_a_capability_that_is_no_slug_with_a_level_is_refused(
    workspace: Workspace, wrong: str
) -> None:
    agent = await workspace.agent("scout", "developer", "go")
    for operation in ("register_agent", "update_agent"):
        given = {"agent_id": "scout", "capabilities": ["go", wrong]}
        more = {"name": "scout"} if operation == "register_agent" else {}
        refused = await agent.refusal(operation, **given, **more)
        assert refused.code == "invalid_arguments"
        assert "capabilities.1" in refused.message
    assert (await agent.call("get_agent", agent_id="scout"))["agent"]["capabilities"] == ["go"]


@ON_SQLITE
async def test_one_capability_with_two_levels_is_refused_by_name(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    refused = await agent.refusal("update_agent", capabilities=["python:2", "go", "python:3"])
    assert refused.code == "invalid_arguments"
    assert "python:2, python:3 have different levels for one capability" in refused.message


async def test_a_level_that_is_needed_is_met_by_those_above(workspace: Workspace) -> None:
    issue = await workspace.task()
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("change_task", task=workspace.name(issue), capabilities=["python:3"])
    low, high = await workspace.agent("low", "developer", "python:2"), await workspace.agent("high")
    assert (await low.refusal("claim_task", task=workspace.name(issue))).code == "lacks_capability"
    await high.call("update_agent", capabilities=["python:4"])
    assert (await high.call("claim_task"))["task"]["number"] == issue.number


async def test_what_one_leaves_out_of_an_update_stays(workspace: Workspace) -> None:
    await workspace.agent("above")
    agent = await below(workspace, "above", "scout")
    before = (await agent.call("get_agent", agent_id="scout"))["agent"]
    after = (await agent.call("update_agent", system="codex"))["agent"]
    assert after == before | {"system": "codex", "last_active_at": after["last_active_at"]}


async def test_what_one_leaves_out_of_a_registration_stays(workspace: Workspace) -> None:
    await workspace.agent("above")
    agent = await below(workspace, "above", "scout")
    await agent.call("update_agent", system="codex", capabilities=["go:2"])
    before = (await agent.call("get_agent", agent_id="scout"))["agent"]
    again = (await agent.call("register_agent", agent_id="scout", name="Scout"))["agent"]
    assert again == before | {"name": "Scout", "last_active_at": again["last_active_at"]}
    given = {"agent_id": "scout", "name": "Scout", "system": "", "capabilities": []}
    emptied = (await agent.call("register_agent", **given))["agent"]
    assert emptied == again | {
        "system": "",
        "capabilities": [],
        "last_active_at": emptied["last_active_at"],
    }


async def test_one_that_left_comes_back_as_it_was(workspace: Workspace) -> None:
    top, low = await line(workspace, "top", "low")
    await low.call("update_agent", capabilities=["go"])
    await low.call("manage_agent", agent_id="low", action="unregister")
    back = (await low.call("register_agent", agent_id="low", name="low"))["agent"]
    assert (back["parent_id"], back["capabilities"], back["status"]) == ("top", ["go"], "active")
    assert (await top.call("manage_agent", agent_id="low", action="pause"))["agents"] == ["low"]


async def test_a_tech_lead_changes_others_but_not_what_only_they_can_tell(
    workspace: Workspace,
) -> None:
    await workspace.agent("above")
    await workspace.agent("scout")
    lead, peer = await workspace.agent("lead", "tech-lead"), await workspace.agent("peer")
    given = {"agent_id": "scout", "name": "Renamed", "capabilities": ["go"], "parent_id": "above"}
    assert (await peer.refusal("update_agent", **given)).code == "forbidden"
    for own in ({"health": {"cpu_percent": 3}}, {"checkpoint": {"at": 1}}):
        refused = await lead.refusal("update_agent", **given, **own)
        assert refused.code == "forbidden"
    assert (await lead.call("get_agent", agent_id="scout"))["agent"]["name"] == "scout"
    changed = (await lead.call("update_agent", **given))["agent"]
    assert [changed[each] for each in ("name", "capabilities", "parent_id")] == [
        "Renamed",
        ["go"],
        "above",
    ]


@ON_SQLITE
async def test_one_that_never_registered_can_update_nothing(workspace: Workspace) -> None:
    nobody = Agent(workspace.dispatcher, Actor(workspace.installation.id, "nobody", "tech-lead"))
    assert (await nobody.refusal("update_agent", name="x")).code == "not_registered"
    refused = await nobody.refusal("update_agent", agent_id="ghost", name="x")
    assert refused.code == "not_registered"
    assert (await nobody.refusal("get_agent", agent_id="ghost")).code == "unknown_agent"


# --- Who is above whom ----------------------------------------------------------------------------


@ON_SQLITE
async def test_a_parent_that_is_unknown_or_oneself_is_refused(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    unknown = await agent.refusal("update_agent", parent_id="ghost")
    assert unknown.code == "unknown_agent"
    own = await agent.refusal("register_agent", agent_id="scout", name="scout", parent_id="scout")
    assert (own.code, own.message) == (
        "invalid_arguments",
        "`parent_id`: scout cannot be its own parent.",
    )
    stranger = Agent(workspace.dispatcher, Actor(workspace.installation.id, "new", "developer"))
    given = {"agent_id": "new", "name": "new", "parent_id": "new"}
    assert (await stranger.refusal("register_agent", **given)).code == "invalid_arguments"
    assert (await agent.refusal("get_agent", agent_id="new")).code == "unknown_agent"


@pytest.mark.parametrize("depth", [2, 3, 5])
@ON_SQLITE
async def test_a_circle_of_parents_is_refused_at_any_depth(
    workspace: Workspace, depth: int
) -> None:
    names = [f"level-{n}" for n in range(depth)]
    first, *_ = await line(workspace, *names)
    refused = await first.refusal("update_agent", parent_id=names[-1], name="Changed")
    assert refused.code == "invalid_arguments"
    assert f"{names[-1]} is below level-0" in refused.message
    agent = (await first.call("get_agent", agent_id="level-0"))["agent"]
    assert (agent["name"], agent["parent_id"]) == ("level-0", None)


async def test_two_that_would_close_a_circle_at_once_do_not(workspace: Workspace) -> None:
    for n in range(5):
        one, two = await workspace.agent(f"one-{n}"), await workspace.agent(f"two-{n}")
        outcomes = await asyncio.gather(
            one.call("update_agent", parent_id=f"two-{n}"),
            two.call("update_agent", parent_id=f"one-{n}"),
            return_exceptions=True,
        )
        (refused,) = [each for each in outcomes if isinstance(each, BaseException)]
        assert isinstance(refused, Refused)
        assert refused.code == "invalid_arguments"


@ON_SQLITE
async def test_a_new_agent_without_a_parent_has_none_until_it_names_one(
    workspace: Workspace,
) -> None:
    await workspace.agent("top")
    agent = await workspace.agent("scout")
    assert (await agent.call("get_agent", agent_id="scout"))["agent"]["parent_id"] is None
    placed = await agent.call("update_agent", parent_id="top")
    assert placed["agent"]["parent_id"] == "top"


@pytest.mark.parametrize("parent", ["", "other"])
@ON_SQLITE
async def test_no_agent_leaves_its_parent_of_its_own_accord(
    workspace: Workspace, parent: str
) -> None:
    await workspace.agent("other")
    *_, low = await line(workspace, "top", "low")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("update_agent", {"name": "Changed", "parent_id": parent}),
        ("register_agent", {"agent_id": "low", "name": "Changed", "parent_id": parent}),
    ]
    for operation, given in calls:
        refused = await low.refusal(operation, **given)
        assert (refused.code, refused.details["parent_id"]) == ("forbidden", "top")
    await low.call("manage_agent", agent_id="low", action="unregister")
    assert (await low.refusal(*calls[1][:1], **calls[1][1])).code == "forbidden"
    kept = {"agent_id": "low", "name": "low", "parent_id": "top"}
    agent = (await low.call("register_agent", **kept))["agent"]
    assert (agent["name"], agent["parent_id"]) == ("low", "top")


@pytest.mark.parametrize("who", ["top", "middle", "lead"])
@ON_SQLITE
async def test_a_parent_those_above_it_and_tech_leads_place_a_child_anew(
    workspace: Workspace, who: str
) -> None:
    top, middle, low = await line(workspace, "top", "middle", "low")
    await workspace.agent("other")
    mover = {"top": top, "middle": middle, "lead": await workspace.agent("lead", "tech-lead")}[who]
    placed = await mover.call("update_agent", agent_id="low", parent_id="")
    assert placed["agent"]["parent_id"] is None
    await low.call("update_agent", parent_id="middle")
    placed = await mover.call("update_agent", agent_id="low", parent_id="other")
    assert placed["agent"]["parent_id"] == "other"


@ON_SQLITE
async def test_who_is_not_above_an_agent_neither_places_it_nor_changes_more(
    workspace: Workspace,
) -> None:
    top, middle, low = await line(workspace, "top", "middle", "low")
    peer = await workspace.agent("peer")
    for each in (peer, low):
        refused = await each.refusal("update_agent", agent_id="middle", parent_id="peer")
        assert refused.code == "forbidden"
    assert (await middle.refusal("update_agent", agent_id="peer", parent_id="top")).code == (
        "forbidden"
    )
    given = {"agent_id": "low", "parent_id": "", "capabilities": ["go"]}
    assert (await top.refusal("update_agent", **given)).code == "forbidden"
    assert (await top.refusal("update_agent", agent_id="low")).code == "forbidden"
    assert (await middle.refusal("update_agent", agent_id="top", parent_id="low")).code == (
        "forbidden"
    )
    assert (await top.call("get_agent", agent_id="low"))["agent"]["parent_id"] == "middle"


@ON_SQLITE
async def test_a_line_of_parents_has_an_end(workspace: Workspace) -> None:
    names = [f"level-{n}" for n in range(DEEPEST + 1)]
    *_, last = await line(workspace, *names[:-1])
    one = Agent(workspace.dispatcher, Actor(workspace.installation.id, names[-1], "developer"))
    assert (await last.call("get_agent", agent_id=names[-2]))["agent"]["parent_id"] == names[-3]
    await one.call("register_agent", agent_id=names[-1], name="x", parent_id=names[-2])
    more = Agent(workspace.dispatcher, Actor(workspace.installation.id, "more", "developer"))
    given = {"agent_id": "more", "name": "more", "parent_id": names[-1]}
    refused = await more.refusal("register_agent", **given)
    assert (refused.code, f"has {DEEPEST} agents above it" in refused.message) == (
        "invalid_arguments",
        True,
    )


@ON_SQLITE
async def test_lines_are_joined_only_while_the_whole_is_not_too_deep(workspace: Workspace) -> None:
    await line(workspace, *(f"high-{n}" for n in range(DEEPEST - 1)))
    first, *_ = await line(workspace, "low-0", "low-1", "low-2")
    await below(workspace, "low-0", "beside")
    below_the_last = f"high-{DEEPEST - 2}"
    for operation in ("update_agent", "register_agent"):
        given = {"agent_id": "low-0", "name": "low-0", "parent_id": below_the_last}
        refused = await first.refusal(operation, **given)
        assert refused.code == "invalid_arguments"
        assert f"has {DEEPEST - 2} agents above it and low-0 2 levels below it" in refused.message
    placed = await first.call("update_agent", parent_id=f"high-{DEEPEST - 3}")
    assert placed["agent"]["parent_id"] == f"high-{DEEPEST - 3}"
    top = Agent(workspace.dispatcher, Actor(workspace.installation.id, "high-0", "developer"))
    paused = await top.call("manage_agent", agent_id="low-2", action="pause")
    assert paused["agents"] == ["low-2"]


async def test_two_that_join_lines_at_once_make_none_too_deep(workspace: Workspace) -> None:
    half = DEEPEST // 2
    for n in range(3):
        lines = [[f"{part}-{n}-{each}" for each in range(half)] for part in ("a", "b", "c")]
        _, b, c = [await line(workspace, *names) for names in lines]
        outcomes = await asyncio.gather(
            b[0].call("update_agent", parent_id=lines[0][-1]),
            c[0].call("update_agent", parent_id=lines[1][-1]),
            return_exceptions=True,
        )
        (refused,) = [each for each in outcomes if isinstance(each, BaseException)]
        assert isinstance(refused, Refused)
        assert f"at most {DEEPEST} are allowed" in refused.message


@ON_SQLITE
async def test_a_child_whose_parent_left_comes_back_under_another(workspace: Workspace) -> None:
    old, low = await line(workspace, "orch-1", "low")
    await workspace.agent("orch-2")
    given = {"agent_id": "low", "name": "low", "parent_id": "orch-2"}
    assert (await low.refusal("register_agent", **given)).code == "forbidden"
    await old.call("manage_agent", agent_id="orch-1", action="unregister", with_children=True)
    back = (await low.call("register_agent", **given))["agent"]
    assert (back["parent_id"], back["status"]) == ("orch-2", "active")
    await workspace.agent("orch-1")
    assert (await old.refusal("update_agent", agent_id="low", parent_id="orch-1")).code == (
        "forbidden"
    )


@ON_SQLITE
async def test_a_child_whose_parent_left_may_have_none(workspace: Workspace) -> None:
    old, low = await line(workspace, "old", "low")
    await old.call("manage_agent", agent_id="old", action="unregister", with_children=False)
    assert (await low.call("update_agent", parent_id=""))["agent"]["parent_id"] is None


@ON_SQLITE
async def test_a_child_whose_parent_left_stays_below_those_who_are_there(
    workspace: Workspace,
) -> None:
    top, middle, low = await line(workspace, "top", "middle", "low")
    other = await workspace.agent("other")
    await below(workspace, "top", "next")
    given = {"agent_id": "middle", "action": "unregister", "with_children": False}
    await middle.call("manage_agent", **given)
    for parent in ("other", ""):
        refused = await low.refusal("update_agent", parent_id=parent)
        assert (refused.code, refused.details["parent_id"]) == ("forbidden", "middle")
        assert "top or an agent below it" in refused.message
    assert (await other.refusal("update_agent", agent_id="low", parent_id="next")).code == (
        "forbidden"
    )
    placed = await low.call("register_agent", agent_id="low", name="low", parent_id="next")
    assert placed["agent"]["parent_id"] == "next"
    assert (await low.refusal("update_agent", parent_id="top")).code == "forbidden"
    assert (await top.call("manage_agent", agent_id="low", action="pause"))["agents"] == ["low"]


async def test_a_parent_shows_its_children(workspace: Workspace) -> None:
    top, middle, _ = await line(workspace, "top", "middle", "bottom")
    await below(workspace, "top", "second")
    assert (await top.call("get_agent", agent_id="top"))["children"] == ["middle", "second"]
    listed = (await middle.call("list_agents", parent="top"))["agents"]
    assert [each["id"] for each in listed] == ["middle", "second"]


# --- How they are ---------------------------------------------------------------------------------


async def test_an_agent_is_active_then_idle_then_inactive(workspace: Workspace) -> None:
    await workspace.agent("quiet")
    other = await workspace.agent("other")
    workspace.clock.forward(299)
    assert await status(other, "quiet") == "active"
    workspace.clock.forward(2)
    assert await status(other, "quiet") == "idle"
    found = (await other.call("list_agents", status="idle"))["agents"]
    assert [each["id"] for each in found] == ["quiet"]
    workspace.clock.forward(3300)
    assert await status(other, "quiet") == "inactive"
    found = (await other.call("list_agents", status="inactive"))["agents"]
    assert [each["id"] for each in found] == ["quiet"]
    found = (await other.call("list_agents", status="active"))["agents"]
    assert [each["id"] for each in found] == ["other"]


def test_how_long_it_takes_to_be_idle_and_inactive_is_settled_by_settings() -> None:
    given = load_settings(idle_after_s=60, inactive_after_s=120)
    made = make_shared(Keys("k" * 32), given)
    assert (made.idle_after, made.inactive_after) == (60_000_000, 120_000_000)
    default = make_shared(Keys("k" * 32), load_settings())
    assert (default.idle_after, default.inactive_after) == (300_000_000, 3_600_000_000)


def test_nobody_is_inactive_before_being_idle() -> None:
    with pytest.raises(WrongSettings, match="INACTIVE_AFTER_S: must not be less than HUBBUB_IDLE"):
        load_settings(idle_after_s=7200)


async def test_an_agent_tells_how_it_is(workspace: Workspace) -> None:
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    assert (await other.call("get_agent", agent_id="scout"))["health"] is None
    await agent.call("update_agent", health={"latency_ms": 12.5, "cpu_percent": 80})
    shown = (await other.call("get_agent", agent_id="scout"))["health"]
    assert shown.pop("at").startswith("2027-")
    assert shown == {
        "latency_ms": 12.5,
        "error_rate": None,
        "cpu_percent": 80,
        "memory_mb": None,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"latency_ms": -1},
        {"error_rate": 1.01},
        {"error_rate": -0.01},
        {"cpu_percent": 100.5},
        {"memory_mb": -5},
        {"memory_mb": float("nan")},
        {"latency_ms": float("inf")},
        {"temperature": 40},
    ],
)
@ON_SQLITE
async def test_health_out_of_bounds_is_refused(
    workspace: Workspace, wrong: dict[str, float]
) -> None:
    agent = await workspace.agent("scout")
    refused = await agent.refusal("update_agent", health=wrong)
    assert refused.code == "invalid_arguments"
    assert f"health.{next(iter(wrong))}" in refused.message


async def test_metrics_tell_how_those_are_that_were_heard_of_lately(workspace: Workspace) -> None:
    early, late = await workspace.agent("early"), await workspace.agent("late")
    await early.call("update_agent", health={"cpu_percent": 10})
    workspace.clock.forward(3700)
    await late.call("update_agent", health={"cpu_percent": 90.5, "error_rate": 0})
    text = (await Metrics().render(workspace.dispatcher)).decode()
    found = {
        (sample.name, sample.labels["agent"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("hubbub_agent_")
        and sample.labels["installation"] == str(workspace.installation.id)
    }
    assert found == {
        ("hubbub_agent_cpu_percent", "late"): 90.5,
        ("hubbub_agent_error_rate", "late"): 0,
    }


async def test_it_is_counted_how_an_agents_leases_end(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    for end in ("completed", "failed"):
        lease = await claim(workspace, agent)
        given = {"task": lease["task"]["task"], "fence": lease["fence"], "status": end}
        await agent.call("update_task_status", **given)
    lease = await claim(workspace, agent)
    await agent.call("release_task", task=lease["task"]["task"], fence=lease["fence"])
    for _ in range(2):
        await claim(workspace, agent, lease_s=60)
        await workspace.time_passes(61)
    found = await agent.call("get_agent", agent_id="scout")
    counted = [found[each] for each in ("completed", "failed", "released", "expired")]
    assert counted == [1, 1, 1, 2]


async def test_it_is_counted_what_went_to_github_for_an_agent(workspace: Workspace) -> None:
    agent, issue = await workspace.agent("scout"), await workspace.task()
    for n in range(3):
        await agent.write("github_comment_issue", issue=workspace.name(issue), body=f"{n}")
    assert (await agent.call("get_agent", agent_id="scout"))["writes"] == 0
    await workspace.settle()
    assert (await agent.call("get_agent", agent_id="scout"))["writes"] == 3


@ON_SQLITE
async def test_an_agent_shows_what_it_holds_within_the_sight_of_who_asks(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    first, second = await claim(workspace, agent), await claim(workspace, agent)
    names = [each["task"]["task"] for each in (first, second)]
    assert (await agent.call("get_agent", agent_id="scout"))["agent"]["holds"] == names
    elsewhere = Actor(workspace.installation.id, "@monalisa", "observer", frozenset({1}))
    seen = await Agent(workspace.dispatcher, elsewhere).call("list_agents")
    assert [(each["id"], each["holds"]) for each in seen["agents"]] == [("scout", [])]
    await agent.call("release_task", task=names[0], fence=first["fence"])
    assert (await agent.call("list_agents"))["agents"][0]["holds"] == names[1:]
    workspace.clock.forward(901)
    other = await workspace.agent("other")
    assert (await other.call("get_agent", agent_id="scout"))["agent"]["holds"] == []


# --- Lists ----------------------------------------------------------------------------------------


async def test_a_list_is_narrowed_by_what_agents_are(workspace: Workspace) -> None:
    scout = await workspace.agent("scout", "observer", "python:2")
    await scout.call("update_agent", system="codex")
    await workspace.agent("expert", "developer", "python:5", "go")
    await workspace.agent("novice", "developer", "python")
    await workspace.agent("snake", "developer", "pythonic")

    async def found(**given: Any) -> list[str]:
        answer = await scout.call("list_agents", **given)
        assert answer["next_cursor"] is None
        return [each["id"] for each in answer["agents"]]

    assert await found() == ["expert", "novice", "scout", "snake"]
    assert await found(system="codex") == ["scout"]
    assert await found(role="developer") == ["expert", "novice", "snake"]
    assert await found(capability="python") == ["expert", "novice", "scout"]
    assert await found(capability="python:1") == ["expert", "novice", "scout"]
    assert await found(capability="python:3") == ["expert"]
    assert await found(capability="go", role="observer") == []
    assert await found(parent="scout") == []


async def test_pages_of_a_list_hold_each_agent_once(workspace: Workspace) -> None:
    for n in range(7):
        await workspace.agent(f"agent-{n}", "developer" if n % 2 else "tester")
    reader = await workspace.agent("reader", "observer")
    for given in ({}, {"role": "developer"}):
        whole = (await reader.call("list_agents", **given))["agents"]
        pages, cursor = [], None
        for _ in range(10):
            answer = await reader.call("list_agents", limit=2, cursor=cursor, **given)
            assert len(answer["agents"]) <= 2
            pages += answer["agents"]
            if (cursor := answer["next_cursor"]) is None:
                break
        assert [each["id"] for each in pages] == [each["id"] for each in whole]


async def test_one_call_looks_at_no_more_than_so_many_agents(workspace: Workspace) -> None:
    reader = await workspace.agent("a-reader")
    row = {
        "installation_id": workspace.installation.id,
        "name": "x",
        "system_name": "",
        "role": "developer",
        "capabilities": "[]",
        "parent_id": None,
        "registered_at": workspace.clock(),
        "last_active_at": workspace.clock(),
    }
    many = [row | {"id": f"b-{n:05}"} for n in range(WINDOW + 50)]
    await workspace.store.write(lambda tx: tx.many(sql.insert("agents", COLUMNS), many))
    here, last = workspace.installation.id, many[-1]["id"]
    await workspace.store.write(lambda tx: agents.change(tx, here, [str(last)], role="tester"))
    first = await reader.call("list_agents", role="tester")
    assert first["agents"] == []
    second = await reader.call("list_agents", role="tester", cursor=first["next_cursor"])
    assert [each["id"] for each in second["agents"]] == [last]
    assert second["next_cursor"] is None


# --- Whether they are at work ---------------------------------------------------------------------


@ON_SQLITE
async def test_a_paused_agent_gives_back_what_it_holds_and_takes_nothing(
    workspace: Workspace,
) -> None:
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    lease = await claim(workspace, agent)
    name = lease["task"]["task"]
    await agent.call("update_task_status", task=name, fence=1, status="in_progress", note="half")
    paused = await agent.call("manage_agent", agent_id="scout", action="pause", note="to sleep")
    assert (paused["agents"], paused["released"]) == (["scout"], [name])
    assert await status(other, "scout") == "paused"
    taken = await other.call("claim_task", task=name)
    assert (taken["fence"], taken["handoff"]["holder"]) == (2, "scout")
    assert taken["handoff"]["ended"] == "released"
    assert taken["handoff"]["why"] == "paused by scout: to sleep"
    assert taken["handoff"]["note"] == "half"
    refused = await agent.refusal("claim_task")
    assert refused.code == "agent_paused"
    assert "You paused yourself " in refused.message
    assert refused.details["paused_by"] == "scout"
    assert await agent_events(workspace) == [
        ("agent.registered", "scout", "scout"),
        ("agent.registered", "other", "other"),
        ("agent.paused", "scout", "scout"),
    ]


async def test_a_paused_agent_reads_and_speaks_and_does_not_write_on_github(
    workspace: Workspace,
) -> None:
    agent, issue = await workspace.agent("scout"), await workspace.task()
    other = await workspace.agent("other")
    await agent.call("manage_agent", agent_id="scout", action="pause")
    await agent.call("list_tasks")
    await agent.call("send_message", to="other", body="I sleep")
    await agent.call("update_agent", health={"cpu_percent": 0}, checkpoint={"at": "page 3"})
    await other.call("send_message", to="scout", body="Good night")
    assert (await agent.call("get_messages"))["messages"][0]["body"] == "Good night"
    comment = {"issue": workspace.name(issue), "body": "Awake"}
    assert (await agent.refusal("github_comment_issue", **comment)).code == "agent_paused"
    make = {"repository": "acme/rocket", "title": "More"}
    assert (await agent.refusal("create_task", **make)).code == "agent_paused"
    why = await agent.call("explain_task", task=workspace.name(issue))
    assert (why["claimable"], why["reasons"][-1]["code"]) == (False, "agent_paused")
    await agent.call("manage_agent", agent_id="scout", action="resume")
    await agent.write("github_comment_issue", **comment)
    await agent.call("claim_task", task=workspace.name(issue))
    assert [each[0] for each in await agent_events(workspace)][-2:] == [
        "agent.paused",
        "agent.resumed",
    ]


async def test_what_is_done_already_is_not_done_again(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    for action in ("resume", "pause", "pause", "resume", "resume", "unregister"):
        await agent.call("manage_agent", agent_id="scout", action=action)
    again = {"agent_id": "scout", "action": "unregister"}
    assert (await agent.refusal("manage_agent", **again)).code == "not_registered"
    lead = Agent(workspace.dispatcher, Actor(workspace.installation.id, "lead", "tech-lead"))
    assert (await lead.call("manage_agent", **again))["agents"] == []
    kinds = [each[0] for each in await agent_events(workspace)]
    assert kinds == ["agent.registered", "agent.paused", "agent.resumed", "agent.left"]


async def test_one_that_unregistered_still_reads_and_comes_back_by_registering(
    workspace: Workspace,
) -> None:
    agent, other = (
        await workspace.agent("scout", "developer", "python"),
        await workspace.agent("other"),
    )
    name = (await claim(workspace, agent))["task"]["task"]
    left = await agent.call("manage_agent", agent_id="scout", action="unregister")
    assert left["released"] == [name]
    assert await status(other, "scout") == "left"
    assert [each["id"] for each in (await other.call("list_agents"))["agents"]] == ["other"]
    gone = (await other.call("list_agents", status="left"))["agents"]
    assert [each["id"] for each in gone] == ["scout"]
    refused = await agent.refusal("claim_task", task=name)
    assert refused.code == "not_registered"
    assert "scout was unregistered " in refused.message
    assert (await agent.refusal("update_agent", name="x")).code == "not_registered"
    assert (await agent.call("list_tasks"))["tasks"][0]["task"] == name
    orphan = Agent(workspace.dispatcher, Actor(workspace.installation.id, "orphan", "developer"))
    given = {"agent_id": "orphan", "name": "orphan", "parent_id": "scout"}
    assert (await orphan.refusal("register_agent", **given)).code == "unknown_agent"
    await agent.call("register_agent", agent_id="scout", name="scout")
    assert (await agent.call("claim_task", task=name))["fence"] == 2
    assert [each[0] for each in await agent_events(workspace)][-2:] == [
        "agent.left",
        "agent.registered",
    ]


@ON_SQLITE
async def test_leaving_and_coming_back_ends_no_pause(workspace: Workspace) -> None:
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    await lead.call("manage_agent", agent_id="scout", action="pause")
    await agent.call("manage_agent", agent_id="scout", action="unregister")
    await agent.call("register_agent", agent_id="scout", name="scout")
    assert (await agent.refusal("claim_task")).details["paused_by"] == "lead"


@ON_SQLITE
async def test_one_that_never_registered_claims_nothing(workspace: Workspace) -> None:
    await workspace.task()
    nobody = Agent(workspace.dispatcher, Actor(workspace.installation.id, "nobody", "developer"))
    assert (await nobody.refusal("claim_task")).code == "not_registered"
    refused = await nobody.refusal("manage_agent", agent_id="nobody", action="pause")
    assert refused.code == "unknown_agent"


@ON_SQLITE
async def test_who_paused_it_or_a_tech_lead_resumes_an_agent_and_it_does_not(
    workspace: Workspace,
) -> None:
    top, low = await line(workspace, "top", "low")
    lead, other = (
        await workspace.agent("lead", "tech-lead"),
        await workspace.agent("other", "tech-lead"),
    )

    async def manage(who: Agent, action: str, agent_id: str = "low") -> None:
        await who.call("manage_agent", agent_id=agent_id, action=action)

    await manage(top, "pause")
    refused = await low.refusal("manage_agent", agent_id="low", action="resume")
    assert (refused.code, refused.details["paused_by"]) == ("forbidden", "top")
    assert "top paused you" in (await low.refusal("claim_task")).message
    await manage(top, "resume")
    assert await status(low, "low") == "active"
    # A tech-lead's pause takes the place of another's.
    await manage(low, "pause")
    await manage(lead, "pause")
    for each in (top, low):
        refused = await each.refusal("manage_agent", agent_id="low", action="resume")
        assert (refused.code, refused.details["paused_by"]) == ("forbidden", "lead")
    await manage(other, "resume")
    assert await status(low, "low") == "active"
    await manage(other, "pause", "lead")
    refused = await lead.refusal("manage_agent", agent_id="lead", action="resume")
    assert refused.details["paused_by"] == "other"


@pytest.mark.parametrize("action", ["pause", "resume", "unregister"])
@ON_SQLITE
async def test_an_agent_manages_itself_and_those_below_it_and_nobody_else(
    workspace: Workspace, action: str
) -> None:
    chain = await line(workspace, "a", "b", "c", "d", "e")
    stranger = await workspace.agent("stranger")
    for who, whom in ((chain[1], "a"), (chain[4], "d"), (stranger, "e"), (chain[0], "stranger")):
        refused = await who.refusal("manage_agent", agent_id=whom, action=action)
        assert (refused.code, "is not below" in refused.message) == ("forbidden", True)
    for whom in ("e", "c", "a"):
        await chain[0].call("manage_agent", agent_id=whom, action=action)
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("manage_agent", agent_id="stranger", action=action)


async def test_a_hierarchy_is_stopped_and_resumed_from_the_middle_down(
    workspace: Workspace,
) -> None:
    chain = await line(workspace, "a", "b", "c", "d", "e")
    side = await below(workspace, "c", "side")
    names = [(await claim(workspace, each))["task"]["task"] for each in (*chain, side)]
    given = {"agent_id": "c", "with_children": True}
    stopped = await chain[0].call("manage_agent", **given, action="pause", note="wrong plan")
    assert stopped["agents"] == ["c", "d", "e", "side"]
    assert sorted(stopped["released"]) == sorted(names[2:])
    rows = await workspace.rows(
        "SELECT holder, state, ended_why FROM leases WHERE installation_id = :i ORDER BY holder"
    )
    why = "paused by a: wrong plan"
    assert [(r["holder"], r["state"], r["ended_why"]) for r in rows] == [
        ("a", "held", None),
        ("b", "held", None),
        ("c", "revoked", why),
        ("d", "revoked", why),
        ("e", "revoked", why),
        ("side", "revoked", why),
    ]
    assert (await chain[4].refusal("claim_task")).details["paused_by"] == "a"
    again = await chain[0].call("manage_agent", **given, action="resume")
    assert again["agents"] == ["c", "d", "e", "side"]
    assert (await chain[4].call("claim_task"))["task"]["task"] in names[2:]


@ON_SQLITE
async def test_what_a_tech_lead_paused_stays_so_when_a_parent_resumes_all(
    workspace: Workspace,
) -> None:
    chain = await line(workspace, "a", "b", "c")
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("manage_agent", agent_id="b", action="pause", with_children=False)
    await chain[0].call("manage_agent", agent_id="a", action="pause")
    given = {"agent_id": "a", "action": "resume"}
    assert (await chain[0].call("manage_agent", **given))["agents"] == ["a", "c"]
    assert (await lead.call("manage_agent", **given))["agents"] == []
    assert (await lead.call("manage_agent", agent_id="b", action="resume"))["agents"] == ["b"]


async def test_a_child_that_claims_while_it_is_stopped_holds_nothing_after(
    workspace: Workspace,
) -> None:
    chain = await line(workspace, "a", "b", "c", "d", "e")
    for _ in range(12):
        await workspace.task()
    for n in range(8):
        outcomes = await asyncio.gather(
            chain[3].call("claim_task"),
            chain[0].call("manage_agent", agent_id="c", action="pause", with_children=True),
            chain[4].call("claim_task"),
            chain[2].call("claim_task"),
            return_exceptions=True,
        )
        failed = [each for each in outcomes if isinstance(each, BaseException)]
        assert [each.code if isinstance(each, Refused) else each for each in failed] == [
            "agent_paused"
        ] * len(failed)
        held = await workspace.rows(
            "SELECT id FROM tasks WHERE installation_id = :i AND holder <> ''"
        )
        assert held == [], n
        await chain[0].call("manage_agent", agent_id="c", action="resume", with_children=True)


async def test_more_than_can_be_stopped_at_once_are_refused_and_none_is(
    workspace: Workspace,
) -> None:
    top = await workspace.agent("top")
    lease = await claim(workspace, top)
    row = {
        "installation_id": workspace.installation.id,
        "name": "x",
        "system_name": "",
        "role": "developer",
        "capabilities": "[]",
        "parent_id": "top",
        "registered_at": workspace.clock(),
        "last_active_at": workspace.clock(),
    }
    many = [row | {"id": f"low-{n:04}"} for n in range(MOST_AGENTS)]
    statement = sql.insert("agents", COLUMNS)
    await workspace.store.write(lambda tx: tx.many(statement, many[:-1]))
    given = {"agent_id": "top", "action": "pause", "with_children": True}
    await workspace.store.write(lambda tx: tx.many(statement, many[-1:]))
    refused = await top.refusal("manage_agent", **given)
    assert (refused.code, "list_agents with `parent` top" in refused.message) == ("too_large", True)
    assert (await top.call("get_agent", agent_id="top"))["agent"]["holds"] == [
        lease["task"]["task"]
    ]
    await top.call("manage_agent", agent_id="low-0000", action="unregister")
    here = workspace.installation.id
    await workspace.store.write(lambda tx: agents.change(tx, here, ["low-0000"], parent_id=None))
    assert len((await top.call("manage_agent", **given))["agents"]) == MOST_AGENTS


# --- What they leave ------------------------------------------------------------------------------


async def test_an_agent_resumes_from_its_checkpoint(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    assert (await agent.call("get_agent", agent_id="scout"))["checkpoint"] is None
    states: list[Any] = [{"page": 1}, {"seen": ["ü", None, 1.5, True]}, "a text", [], 0]
    for state in states:
        await agent.call("update_agent", checkpoint=state)
        found = (await agent.call("get_agent", agent_id="scout"))["checkpoint"]
        assert (found["state"], found["agent_id"], found["broken"]) == (state, "scout", False)
    rows = await workspace.rows("SELECT task_id FROM checkpoints WHERE installation_id = :i")
    assert rows == [{"task_id": ""}]


@ON_SQLITE
async def test_a_checkpoint_is_seen_by_its_agent_those_above_and_tech_leads(
    workspace: Workspace,
) -> None:
    top, _, low = await line(workspace, "top", "middle", "low")
    lead, peer = await workspace.agent("lead", "tech-lead"), await workspace.agent("peer")
    name = (await claim(workspace, low))["task"]["task"]
    await low.call("update_agent", checkpoint={"own": 1})
    await low.call("update_agent", checkpoint={"of": "the task"}, task=name)
    for each in (low, top, lead):
        found = await each.call("get_agent", agent_id="low")
        assert found["checkpoint"]["state"] == {"own": 1}
        found = await each.call("get_agent", agent_id="low", task=name)
        assert found["checkpoint"]["state"] == {"of": "the task"}
    assert (await peer.call("get_agent", agent_id="low"))["checkpoint"] is None
    assert (await peer.refusal("get_agent", agent_id="low", task=name)).code == "forbidden"
    assert (await low.call("get_agent", agent_id="top"))["checkpoint"] is None


async def test_the_next_holder_gets_the_last_ones_checkpoint_of_the_task(
    workspace: Workspace,
) -> None:
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    name = (await claim(workspace, agent, lease_s=60))["task"]["task"]
    await agent.call("update_agent", checkpoint={"mine": True})
    await agent.call("update_agent", checkpoint={"step": 4}, task=name)
    await workspace.time_passes(61)
    taken = await other.call("claim_task", task=name)
    assert taken["handoff"]["checkpoint"]["state"] == {"step": 4}
    late = await agent.refusal("update_agent", checkpoint={"step": 5}, task=name)
    assert (late.code, late.details["holder"]) == ("not_holder", "other")


async def test_whose_lease_ran_out_leaves_no_checkpoint_for_the_task(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    name = (await claim(workspace, agent, lease_s=60))["task"]["task"]
    workspace.clock.forward(61)
    refused = await agent.refusal("update_agent", name="New", checkpoint=1, task=name)
    assert (refused.code, refused.details["holder"]) == ("not_holder", None)
    refused = await agent.refusal("update_agent", name="New", task=name)
    assert refused.code == "invalid_arguments"
    assert (await agent.call("get_agent", agent_id="scout"))["agent"]["name"] == "scout"
    assert await workspace.rows("SELECT task_id FROM checkpoints WHERE installation_id = :i") == []


def nested_list(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "wrong",
    [
        float("nan"),
        {"a": [float("-inf")]},
        {"a": "half of \ud800"},
        {"half of \ud800": 1},
        nested_list(101),
        nested_list(5000),
        10**5000,
    ],
    ids=["nan", "infinity", "surrogate", "surrogate key", "deep", "very deep", "long number"],
)
@ON_SQLITE
async def test_what_is_no_json_is_no_checkpoint(workspace: Workspace, wrong: Any) -> None:
    agent = await workspace.agent("scout")
    refused = await agent.refusal("update_agent", checkpoint=wrong)
    assert refused.code == "invalid_arguments"
    assert "checkpoint" in refused.message
    assert (await agent.call("get_agent", agent_id="scout"))["checkpoint"] is None


async def test_a_checkpoint_has_a_size(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    fits = "ü" * (LARGEST // 2 - 1)
    await agent.call("update_agent", checkpoint=fits)
    refused = await agent.refusal("update_agent", checkpoint=f"{fits}x")
    assert (refused.code, refused.details) == (
        "too_large",
        {"size": LARGEST + 1, "largest": LARGEST},
    )
    assert (await agent.call("get_agent", agent_id="scout"))["checkpoint"]["state"] == fits


async def test_a_checkpoint_is_sealed_and_opens_in_no_other_row(workspace: Workspace) -> None:
    agent, thief = await workspace.agent("scout"), await workspace.agent("thief")
    await agent.call("update_agent", checkpoint={"password": "rosebud"})
    await thief.call("update_agent", checkpoint={"nothing": 1})
    name = (await claim(workspace, agent))["task"]["task"]
    await agent.call("update_agent", checkpoint={"password": "rosebud"}, task=name)
    await agent.call("release_task", task=name, fence=1)
    taken = await thief.call("claim_task", task=name)
    assert taken["handoff"]["checkpoint"]["state"] == {"password": "rosebud"}
    (row,) = await workspace.rows(
        "SELECT sealed FROM checkpoints WHERE installation_id = :i AND agent_id = 'scout' "
        "AND task_id = ''"
    )
    assert row["sealed"][:8] == workspace.dispatcher.shared.keys.id.encode()
    assert b"rosebud" not in row["sealed"]
    elsewhere = [
        *await workspace.rows("SELECT data AS said FROM audit WHERE installation_id = :i"),
        *await workspace.rows("SELECT result AS said FROM requests WHERE installation_id = :i"),
        *await workspace.rows("SELECT data AS said FROM events WHERE installation_id = :i"),
    ]
    assert elsewhere
    assert [each for each in elsewhere if "rosebud" in str(each["said"])] == []
    q = "UPDATE checkpoints SET sealed = :s WHERE installation_id = :i AND agent_id = 'thief'"
    here = workspace.installation.id
    await workspace.store.write(lambda tx: tx.run(q, s=row["sealed"], i=here))
    stolen = (await thief.call("get_agent", agent_id="thief"))["checkpoint"]
    assert (stolen["state"], stolen["broken"]) == (None, True)


async def test_of_many_checkpoints_the_newest_are_kept(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    columns = ("installation_id", "agent_id", "task_id", "saved_at", "sealed")
    old = {"installation_id": workspace.installation.id, "agent_id": "scout", "sealed": b"x"}
    rows = [old | {"task_id": f"t_{n}", "saved_at": n} for n in range(MOST_KEPT)]
    await workspace.store.write(lambda tx: tx.many(sql.insert("checkpoints", columns), rows))
    await agent.call("update_agent", checkpoint=1)
    kept = await workspace.rows("SELECT task_id FROM checkpoints WHERE installation_id = :i")
    assert {each["task_id"] for each in kept} == {"", *(f"t_{n}" for n in range(1, MOST_KEPT))}


# --- For people, and on other surfaces ------------------------------------------------------------


async def test_people_see_the_agents_and_what_they_hold_here(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/agents")
    await workspace.settle()
    assert issue.comments[-1].body.endswith("\nNo agent has registered yet.")
    scout, _ = await workspace.agent("scout"), await workspace.agent("sleeper")
    await scout.call("claim_task", task=workspace.name(issue))
    elsewhere = workspace.github.repository("acme/lander", private=True)
    workspace.github.set_permission("acme/lander", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/lander"])
    secret = workspace.person.open_issue(elsewhere, "Secret", labels=["agent-task"])
    await workspace.settle()
    await scout.call("claim_task", task=f"acme/lander#{secret.number}")
    await scout.call("manage_agent", agent_id="scout", action="resume")
    workspace.person.comment(issue, "/agents")
    await workspace.settle()
    _, _, shown = issue.comments[-1].body.partition("\n")
    assert shown == (
        "| agent | status | claimed tasks |\n"
        "|---|---|---|\n"
        f"| `scout` | active | `#{issue.number}` |\n"
        "| `sleeper` | active |  |"
    )


async def test_people_see_fifty_agents_at_most(workspace: Workspace) -> None:
    issue = await workspace.task()
    for n in range(51):
        await workspace.agent(f"agent-{n:02}")
    workspace.person.comment(issue, "/agents")
    await workspace.settle()
    body = issue.comments[-1].body
    assert body.count("| `agent-") == 50
    assert body.endswith("These are the first 50; there are more agents.")


@ON_SQLITE
async def test_a_pause_is_told_over_rest(surface: Surface) -> None:
    token = await surface.token("ada")
    await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    paused = await surface.call(token, "manage_agent", agent_id="ada", action="pause")
    assert (paused.status, paused.data["agents"]) == (200, ["ada"])
    refused = await surface.call(token, "claim_task")
    assert (refused.status, refused.code) == (409, "agent_paused")
    wrong = await surface.call(token, "manage_agent", agent_id="ada", action="shoot")
    assert (wrong.status, wrong.code) == (422, "invalid_arguments")


@ON_SQLITE
async def test_json_that_no_other_program_reads_is_refused_over_rest(surface: Surface) -> None:
    token = await surface.token("ada")
    await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    headers = {"Authorization": f"Bearer {token}"}
    deep = "[" * 90_000 + "]" * 90_000
    for written in ('{"checkpoint": NaN}', '{"checkpoint": [1e999]}', f'{{"checkpoint": {deep}}}'):
        sent = await surface.send("POST", "/api/v1/update_agent", data=written, headers=headers)
        assert sent.status in (400, 422), written[:40]
        assert sent.code in ("bad_request", "invalid_arguments")


@pytest.mark.parametrize("era", ERAS)
@ON_SQLITE
async def test_an_agent_leaves_and_resumes_over_mcp(surface: Surface, era: str) -> None:
    token = await surface.token("ada")
    async with connected_by(surface, token, era) as client:
        await client.call_tool("register_agent", {"agent_id": "ada", "name": "Ada"})
        given = {"health": {"cpu_percent": 3}, "checkpoint": {"step": [1, {"of": 2}]}}
        told = await client.call_tool("update_agent", given)
        assert not told.is_error, told
        await client.call_tool("manage_agent", {"agent_id": "ada", "action": "unregister"})
        refused = await client.call_tool("claim_task", {})
        assert refused.structured_content is not None
        assert refused.structured_content["error"]["code"] == "not_registered"
        await client.call_tool("register_agent", {"agent_id": "ada", "name": "Ada"})
        found = await client.call_tool("get_agent", {"agent_id": "ada"})
    assert found.structured_content is not None
    assert found.structured_content["checkpoint"]["state"] == {"step": [1, {"of": 2}]}
    assert found.structured_content["health"]["cpu_percent"] == 3
    assert json.dumps(found.structured_content["agent"]["status"]) == '"active"'


@ON_SQLITE
async def test_who_registers_another_agent_learns_how_it_gets_a_token(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    refused = await lead.refusal("register_agent", agent_id="child", name="Child")
    assert refused.message == (
        "This token belongs to lead: pass that as `agent_id`, not child. Another agent needs its "
        "own token, from the person who runs Hubbub (`hubbub token create`). It then registers "
        "itself, with `parent_id` lead."
    )
    refused = await lead.refusal("update_agent", agent_id="child", parent_id="lead")
    assert refused.message == "child is not registered. It calls register_agent with its own token."


@ON_SQLITE
async def test_a_tech_lead_of_some_repositories_leads_no_agents_of_others(
    workspace: Workspace,
) -> None:
    """Else it would place an agent below itself, and then manage it and read its checkpoint."""
    i, reach = workspace.installation.id, frozenset({workspace.repository.id})
    ada = await workspace.agent("ada")
    await ada.call("update_agent", checkpoint={"plan": "elsewhere"})
    lead = Agent(workspace.dispatcher, Actor(i, "lead", "tech-lead", reach))
    await lead.call("register_agent", agent_id="lead", name="Lead")
    for change in ({"parent_id": "lead"}, {"name": "Eve"}, {"capabilities": ["cobol"]}):
        assert (await lead.refusal("update_agent", agent_id="ada", **change)).code == "forbidden"
    seen = await lead.call("get_agent", agent_id="ada")
    assert (seen["agent"]["name"], seen["agent"]["parent_id"]) == ("ada", None)
    assert seen["checkpoint"] is None
    await ada.call("manage_agent", agent_id="ada", action="pause")
    refused = await lead.refusal("manage_agent", agent_id="ada", action="resume")
    assert refused.code == "forbidden"
