"""Agents report what their models used. Caps on it warn, then stop claims, then hold writes."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.background import spend_review
from bot.dispatch.dispatcher import Dispatcher
from bot.quotas.money import MICRO, Caps, amount, micros, parse_caps
from bot.repository.settings_file import PATH
from bot.times import DAY, SECOND
from fixtures.github import Issue
from store.engine.database import open_store
from tests.outbox.test_own_writes import card
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

FREE = "claim_task"


def set_caps(workspace: Workspace, **caps: str) -> None:
    """The caps of the server, as its settings would."""
    text = ", ".join(f"{name}={value}" for name, value in caps.items())
    shared = workspace.dispatcher.shared
    workspace.dispatcher.shared = replace(shared, caps=parse_caps(text))


async def spend(agent: Agent, cost: str, **more: Any) -> dict[str, Any]:
    return await agent.call("report_usage", model="m-1", cost=cost, **more)


async def review(workspace: Workspace) -> None:
    """What the background does every few seconds."""
    await spend_review.step(workspace.store, workspace.dispatcher.shared)


async def working(workspace: Workspace, agent_id: str = "ada") -> tuple[Agent, Issue, int]:
    """An agent that has claimed a task, with its fence."""
    agent, issue = await workspace.agent(agent_id), await workspace.task()
    fence: int = (await agent.call(FREE, task=workspace.name(issue)))["fence"]
    await workspace.settle()
    return agent, issue, fence


def level(answer: dict[str, Any], of: str) -> str:
    (found,) = [each for each in answer["spend"] if each["of"] == of]
    return str(found["level"])


async def stored(workspace: Workspace) -> list[dict[str, Any]]:
    q = "SELECT scope, subject, day, reports, cost FROM usage_sums WHERE installation_id = :i"
    return await workspace.rows(f"{q} ORDER BY scope, day")


# --- Reports -------------------------------------------------------------------------------------


async def test_a_report_counts_for_the_task_the_agent_and_the_installation(
    workspace: Workspace,
) -> None:
    ada, issue, _ = await working(workspace)
    tokens = {"input_tokens": 1200, "output_tokens": 30, "cached_tokens": 9}
    answer = await spend(ada, "0.0125", **tokens)
    assert (answer["reported_for"], answer["currency"]) == (workspace.name(issue), "USD")
    await spend(ada, "1.5", output_tokens=70, task=workspace.name(issue))
    used = {
        "cost": "1.5125",
        "currency": "USD",
        "input_tokens": 1200,
        "output_tokens": 100,
        "cached_tokens": 9,
        "reports": 2,
    }
    shown = await ada.call("get_task", task=workspace.name(issue))
    assert shown["reported_usage"] == [used]
    assert (await ada.call("get_agent", agent_id="ada"))["reported_usage"] == [used]
    budget = await ada.call("get_budget")
    day = workspace.clock() // DAY
    assert [(each["of"], each["reported"]) for each in budget["reported_spend"]] == [
        ("agent", "1.5125"),
        ("installation", "1.5125"),
    ]
    of_day = [each for each in await stored(workspace) if each["day"] == day]
    assert {each["scope"]: each["cost"] for each in of_day} == dict.fromkeys(
        ("agent", "repository", "installation"), 1_512_500
    )


async def test_a_repeated_report_counts_once(workspace: Workspace) -> None:
    ada, _, _ = await working(workspace)
    first = await spend(ada, "2", key="call 7")
    again = await spend(ada, "2", key="call 7")
    assert again["report_id"] == first["report_id"]
    assert {(each["reports"], each["cost"]) for each in await stored(workspace)} == {(1, 2 * MICRO)}
    refused = await ada.refusal("report_usage", model="m-1", cost="3", key="call 7")
    assert refused.code == "key_reused"


async def test_an_agent_without_a_task_reports_for_itself(workspace: Workspace) -> None:
    ada = await workspace.agent("ada", "observer")
    answer = await spend(ada, "0.5")
    assert answer["reported_for"] is None
    assert {each["scope"] for each in await stored(workspace)} == {"agent", "installation"}


async def test_an_agent_that_holds_several_tasks_names_the_one_it_reports_for(
    workspace: Workspace,
) -> None:
    ada, issue, _ = await working(workspace)
    await ada.call(FREE, task=workspace.name(await workspace.task()))
    refused = await ada.refusal("report_usage", model="m-1", cost="1")
    assert (refused.code, "pass `task`" in refused.message) == ("invalid_arguments", True)
    assert await stored(workspace) == []
    await spend(ada, "1", task=workspace.name(issue))


async def test_a_task_that_the_agent_held_takes_its_last_report(workspace: Workspace) -> None:
    ada, issue, fence = await working(workspace)
    mine = {"task": workspace.name(issue)}
    await ada.call("release_task", **mine, fence=fence, note="Stuck")
    await (await workspace.agent("bob")).call(FREE, **mine)
    assert (await spend(ada, "1", **mine))["reported_for"] == workspace.name(issue)


async def test_another_agents_task_and_an_unknown_one_are_refused(workspace: Workspace) -> None:
    _, issue, _ = await working(workspace)
    eve = await workspace.agent("eve")
    for task, code in (
        (workspace.name(issue), "not_holder"),
        ("acme/rocket#999", "unknown_task"),
        ("t_0000000000000000000z", "unknown_task"),
        ("acme/secret#1", "unknown_repository"),
    ):
        refused = await eve.refusal("report_usage", model="m-1", cost="1", task=task)
        assert refused.code == code, refused.message
    assert await stored(workspace) == []


WRONG: list[dict[str, Any]] = [
    {"cost": "-1"},
    {"cost": "NaN"},
    {"cost": "Infinity"},
    {"cost": float("nan")},
    {"cost": float("inf")},
    {"cost": -0.5},
    {"cost": "1e3"},
    {"cost": "1000000"},
    {"cost": "0.0000001"},
    {"cost": 1e-7},
    {"cost": "1,5"},
    {"cost": ""},
    {"cost": True},
    {"cost": "٣"},
    {"cost": "1", "currency": "EUR"},
    {"cost": "1", "currency": "usd"},
    {"input_tokens": -1},
    {"input_tokens": 10**18},
    {"output_tokens": 1.5},
    {"cached_tokens": True},
    {"cost": "0"},
    {},
    {"cost": "1", "model": ""},
    {"cost": "1", "model": "m" * 101},
    {"cost": "1", "model": "m\x00"},
]


async def test_a_wrong_report_is_refused_and_changes_nothing(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    for given in WRONG:
        refused = await ada.refusal("report_usage", **{"model": "m-1", **given})
        assert refused.code == "invalid_arguments", given
    assert await stored(workspace) == []
    assert await workspace.rows("SELECT * FROM usage_reports WHERE installation_id = :i") == []


@ON_SQLITE
@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ("999999.999999", "999999.999999"),
        (0.1, "0.10"),
        (0.000001, "0.000001"),
        # As programs sum it, and as Claude Code prints its total_cost_usd.
        (0.1 + 0.2, "0.30"),
        (0.07312345678, "0.073123"),
        (3, "3.00"),
        ("0.000125", "0.000125"),
        ("07.5", "7.50"),
    ],
)
async def test_an_amount_is_counted_to_the_last_millionth(
    workspace: Workspace, given: object, counted: str
) -> None:
    ada = await workspace.agent("ada")
    answer = await ada.call("report_usage", model="m-1", cost=given)
    assert answer["spend"][0]["reported"] == counted


async def test_ten_dimes_are_one(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    for _ in range(9):
        await ada.call("report_usage", model="m-1", cost=0.1)
    assert (await ada.call("report_usage", model="m-1", cost=0.1))["spend"][0]["reported"] == "1.00"


async def test_reports_of_two_processes_at_the_same_time_lose_nothing(
    workspace: Workspace, store_url: str
) -> None:
    ada, _, _ = await working(workspace)
    bob, _, _ = await working(workspace, "bob")
    second = await open_store(store_url, workspace.clock)
    there = Dispatcher(second, workspace.dispatcher.shared)
    try:
        everyone = [ada, bob, Agent(there, ada.actor), Agent(there, bob.actor)]
        await asyncio.gather(*(spend(each, "0.01") for each in everyone for _ in range(10)))
    finally:
        await second.close()
    found = await stored(workspace)
    of_all = [each for each in found if each["scope"] in ("installation", "repository")]
    assert {(each["reports"], each["cost"]) for each in of_all} == {(40, 400_000)}
    rest = [each for each in found if each["scope"] in ("task", "agent")]
    assert {(each["reports"], each["cost"]) for each in rest} == {(20, 200_000)}
    (total,) = await workspace.rows(
        "SELECT SUM(cost) AS cost, COUNT(*) AS n FROM usage_reports WHERE installation_id = :i"
    )
    assert (int(total["cost"]), total["n"]) == (400_000, 40)


# --- Caps ----------------------------------------------------------------------------------------


async def test_a_tasks_cap_warns_then_stops_claims_then_holds_its_writes(
    workspace: Workspace,
) -> None:
    set_caps(workspace, task="10")
    ada, issue, fence = await working(workspace)
    mine = {"task": workspace.name(issue)}
    assert level(await spend(ada, "7.999999"), "task") == "ok"
    assert level(await spend(ada, "0.000001"), "task") == "warn"
    (notice,) = (await ada.call("list_tasks"))["notices"]
    assert (notice["kind"], notice["subject"]) == ("spend", mine["task"])
    assert notice["message"] == (
        f"The reported spend on {mine['task']} reached 80 % of its cap of 10.00 USD. At 100 % it "
        "stops claims, at 120 % the writes for GitHub."
    )
    assert level(await spend(ada, "2"), "task") == "drain"
    # The holder goes on, and its writes go out.
    await ada.write("github_comment_issue", issue=workspace.name(issue), body="Nearly")
    await workspace.settle()
    assert issue.comments[-1].body.endswith("Nearly")
    assert level(await spend(ada, "2"), "task") == "stop"
    written = await ada.write("github_create_issue", repository="acme/rocket", title="Elsewhere")
    assert "waits_because" not in written
    asked = {**mine, "fence": fence, "status": "in_progress", "question": "More money?"}
    await ada.call("update_task_status", **asked)
    await workspace.settle()
    (held,) = (await ada.call("list_writes", **mine))["writes"]
    assert (held["kind"], held["state"]) == ("comment", "queued")
    assert held["why"] == (
        "The reported spend on its task reached 120 % of its cap of 10.00 USD. It goes out when "
        "the cap is raised."
    )
    assert (await ada.call("get_budget"))["paused"] == 1
    set_caps(workspace, task="100")
    await review(workspace)
    await workspace.settle()
    assert issue.comments[-1].body.endswith("More money?")


async def test_nobody_claims_a_task_at_its_cap_but_a_person(workspace: Workspace) -> None:
    set_caps(workspace, task="1")
    ada, issue, fence = await working(workspace)
    await spend(ada, "1")
    mine = {"task": workspace.name(issue)}
    await ada.call("release_task", **mine, fence=fence, note="Too dear")
    bob = await workspace.agent("bob")
    refused = await bob.refusal(FREE, **mine)
    assert (refused.code, refused.details["cap"]) == ("spend_cap", "1.00")
    assert refused.message == (
        f"{mine['task']} cannot be claimed: the reported spend on {mine['task']} reached 100 % of "
        "its cap of 1.00 USD. It can be claimed when the cap is raised. What you can do: claim "
        "another task, or ask a person to raise the cap."
    )
    assert (await bob.call("explain_task", **mine))["reasons"][0]["code"] == "spend_cap"
    assert (await bob.refusal(FREE)).code == "nothing_ready"
    assert (await bob.call("list_tasks", state="ready"))["tasks"] == []
    workspace.person.comment(issue, "/claim")
    await workspace.settle()
    assert (await bob.call("get_task", **mine))["task"]["holder"] == "@octocat"


async def test_an_agent_at_its_cap_claims_nothing_today_and_others_do(
    workspace: Workspace,
) -> None:
    set_caps(workspace, agent="5")
    ada, _, _ = await working(workspace)
    await spend(ada, "4")
    await spend(ada, "1")
    kinds = [each["kind"] for each in (await ada.call("list_tasks"))["notices"]]
    assert kinds == ["spend"]
    free = workspace.name(await workspace.task("Free"))
    refused = await ada.refusal(FREE, task=free)
    assert (refused.code, refused.details["of"]) == ("spend_cap", "agent")
    bob = await workspace.agent("bob")
    assert (await bob.call(FREE))["task"]["task"] == free
    await bob.call("release_task", task=free, fence=1, note="For Ada")
    # The next day begins with nothing spent.
    left = DAY - workspace.clock() % DAY
    workspace.clock.forward(left / SECOND)
    await review(workspace)
    assert (await ada.call(FREE, task=free))["task"]["task"] == free
    assert (await ada.call("get_budget"))["reported_spend"][0]["reported"] == "0.00"


async def test_the_writes_of_an_agent_beyond_its_cap_wait_for_the_next_day(
    workspace: Workspace,
) -> None:
    set_caps(workspace, agent="5")
    ada, issue, _ = await working(workspace)
    bob = await workspace.agent("bob")
    await spend(ada, "6")
    name = workspace.name(issue)
    written = await ada.write("github_comment_issue", issue=name, body="By Ada")
    end = workspace.clock() - workspace.clock() % DAY + DAY
    assert "It goes out when the cap is raised, or at " in written["waits_because"]
    assert written["expected_at"] is None
    await bob.write("github_comment_issue", issue=name, body="By Bob")
    await workspace.settle()
    said = [each.body.split()[-1] for each in issue.comments]
    assert ("Bob" in said, "Ada" in said) == (True, False)
    workspace.clock.forward((end - workspace.clock()) / SECOND)
    await review(workspace)
    await workspace.settle()
    assert "Ada" in [each.body.split()[-1] for each in issue.comments]


async def test_the_next_holder_does_not_wait_for_what_a_cap_holds(workspace: Workspace) -> None:
    set_caps(workspace, agent="5")
    ada, issue, fence = await working(workspace)
    mine = {"task": workspace.name(issue)}
    bob = await workspace.agent("bob")
    await spend(ada, "6")
    asked = {"status": "in_progress", "question": "Which?"}
    await ada.call("update_task_status", **mine, fence=fence, **asked)
    await ada.call("release_task", **mine, fence=fence, note="No money")
    again = (await bob.call(FREE, **mine))["fence"]
    await bob.call("update_task_status", **mine, fence=again, **asked)
    await workspace.settle()
    found = await workspace.rows(
        "SELECT author, state FROM writes WHERE installation_id = :i AND kind = 'comment' "
        "ORDER BY seq"
    )
    assert [(each["author"], each["state"]) for each in found] == [
        ("ada", "cancelled"),
        ("bob", "sent"),
    ]


async def test_the_installations_cap_stops_all_agents_and_no_person(workspace: Workspace) -> None:
    set_caps(workspace, installation="5")
    ada, issue, _ = await working(workspace)
    await spend(ada, "6")
    free = await workspace.task("Free")
    bob = await workspace.agent("bob")
    assert (await bob.refusal(FREE, task=workspace.name(free))).code == "spend_cap"
    assert (await bob.refusal(FREE)).code == "nothing_ready"
    await bob.write("github_comment_issue", issue=workspace.name(issue), body="By Bob")
    workspace.person.comment(free, "/claim")
    workspace.person.comment(issue, "/status")
    await workspace.settle()
    said = [each.body for each in issue.comments]
    assert not any(each.endswith("By Bob") for each in said)
    assert any("in_progress" in each or "in progress" in each.lower() for each in said)
    assert (await bob.call("get_task", task=workspace.name(free)))["task"]["holder"] == "@octocat"
    (of_all,) = [
        each
        for each in (await bob.call("get_budget"))["reported_spend"]
        if each["of"] == "installation"
    ]
    assert (of_all["reported"], of_all["cap"], of_all["level"]) == ("6.00", "5.00", "stop")


async def test_a_repository_has_caps_of_its_own_for_its_tasks(workspace: Workspace) -> None:
    set_caps(workspace, task="100")
    text = "spend:\n  task: 2.50\n  agent: 20\n  repository: 4\n"
    workspace.person.push(workspace.repository, "main", {PATH: text})
    await workspace.settle()
    ada, issue, _ = await working(workspace)
    answer = await spend(ada, "2.5")
    assert {each["of"]: (each["cap"], each["level"]) for each in answer["spend"]} == {
        "task": ("2.50", "drain"),
        "agent": ("20.00", "ok"),
        "repository": ("4.00", "ok"),
    }
    assert level(await spend(ada, "1.5"), "repository") == "drain"
    free = workspace.name(await workspace.task("Free"))
    bob = await workspace.agent("bob")
    assert (await bob.refusal(FREE, task=free)).details["of"] == "repository"
    workspace.person.push(workspace.repository, "main", {PATH: "spend:\n  repository: 100\n"})
    await workspace.settle()
    await review(workspace)
    assert (await bob.call(FREE, task=free))["task"]["task"] == free
    assert "cap" not in (await spend(ada, "1", task=workspace.name(issue)))["spend"][1]


async def test_a_level_is_announced_once(workspace: Workspace) -> None:
    set_caps(workspace, task="10", agent="10")
    ada, _, _ = await working(workspace)
    for _ in range(4):
        await spend(ada, "2.2")
    events = await workspace.rows(
        "SELECT kind, audience FROM events WHERE installation_id = :i AND kind LIKE '%.spend'"
    )
    assert sorted((each["kind"], each["audience"]) for each in events) == [
        ("agent.spend", "ada"),
        ("task.spend", None),
    ]


async def test_only_an_actor_of_the_whole_installation_sees_its_sum(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    bound = Agent(ada.dispatcher, replace(ada.actor, repositories=frozenset({1})))
    seen = (await bound.call("get_budget"))["reported_spend"]
    assert [each["of"] for each in seen] == ["agent"]


# --- The card ------------------------------------------------------------------------------------


@ON_SQLITE
async def test_the_card_shows_the_reported_spend_and_the_cap_that_it_reached(
    workspace: Workspace,
) -> None:
    set_caps(workspace, task="10", installation="1000")
    ada, issue, fence = await working(workspace)
    await spend(ada, "9.25", input_tokens=1_200_000, output_tokens=34_567)
    await workspace.settle()
    shown = [each for each in card(issue).splitlines() if each]
    warned = "The reported spend on this task reached {} % of its cap of 10.00 USD. {}"
    assert warned.format(80, "At the cap agents can claim no more.") in shown
    assert (
        "- Reported spend: 9.25 USD, 1,234,567 tokens. Agents report it; Hubbub cannot check it."
    ) in shown
    await spend(ada, "10")
    await workspace.settle()
    stopped = "Agents can claim no more, and their writes wait, until the cap is raised."
    assert warned.format(120, stopped) in card(issue)
    set_caps(workspace, task="100")
    await review(workspace)
    await workspace.settle()
    assert "its cap" not in card(issue)
    done = {"task": workspace.name(issue), "fence": fence, "status": "completed"}
    await ada.call("update_task_status", **done)
    await spend(ada, "0.75", task=workspace.name(issue))
    await workspace.settle()
    assert "Reported spend: 20.00 USD, 1,234,567 tokens." in card(issue)


# --- Amounts and settings ------------------------------------------------------------------------


def test_an_amount_survives_its_way_to_millionths_and_back() -> None:
    for text in ("0.00", "0.000001", "12.50", "999999.999999", "1.10"):
        assert amount(micros(text)) == text


@pytest.mark.parametrize(
    "text", ["task", "task=", "task=0", "task=-1", "shoe=1", "task=1, task=2", "task=1e9"]
)
def test_wrong_caps_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_caps(text)


def test_caps_are_read() -> None:
    assert parse_caps("") == Caps()
    assert parse_caps("task=20, agent = 0.5,", "EUR") == Caps("EUR", 20 * MICRO, MICRO // 2)
