"""What one agent, and one installation, may do and use. Each refusal says when it ends."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cachetools import TTLCache

from bot.dispatch.dispatcher import Dispatcher, content_size
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.quotas import table
from bot.quotas.rates import Rates
from bot.quotas.table import DEFAULTS
from store.engine.database import open_store
from tests.support.engines import ON_SQLITE
from tests.support.github_client import Clock
from tests.support.server_in_process import Surface
from tests.support.story import Agent, Workspace

ADA, BOB = (7, "ada"), (7, "bob")


def rates(text: str, processes: int = 1) -> tuple[Rates, Clock]:
    clock = Clock(0)
    return Rates(table.parse(text), processes=processes, timer=clock.now), clock


def refusal(made: Rates, agent: tuple[int, str], name: str = "calls_a_minute") -> dict[str, Any]:
    with pytest.raises(Refused) as caught:
        made.take(agent, name)
    assert caught.value.code == "rate_limited"
    return caught.value.details


def take(made: Rates, agent: tuple[int, str], n: int, name: str = "calls_a_minute") -> None:
    for _ in range(n):
        made.take(agent, name)


# --- Rates as values -----------------------------------------------------------------------------


def test_an_agent_beyond_its_rate_is_told_when_to_call_again_and_then_may() -> None:
    made, clock = rates("calls_a_minute=60")
    take(made, ADA, 60)
    assert refusal(made, ADA) == {
        "quota": "calls_a_minute",
        "of": "agent",
        "most": 60,
        "used": 60,
        "retry_after_s": 1,
    }
    take(made, BOB, 60)
    clock.at = 1.0
    take(made, ADA, 1)
    refusal(made, ADA)
    clock.at = 61.0
    take(made, ADA, 60)


def test_a_refused_call_is_not_counted() -> None:
    made, clock = rates("calls_a_minute=60")
    take(made, ADA, 60)
    for _ in range(100):
        refusal(made, ADA)
    clock.at = 1.0
    take(made, ADA, 1)


def test_an_installation_beyond_its_rate_still_serves_an_agent_that_called_little() -> None:
    made, clock = rates("calls_a_minute=100/150")
    take(made, ADA, 100)
    take(made, BOB, 50)
    found = refusal(made, BOB)
    assert (found["of"], found["most"]) == ("installation", 150)
    take(made, (7, "eve"), 10)
    refusal(made, (7, "eve"))
    take(made, (8, "ada"), 100)
    clock.at = 61.0
    take(made, BOB, 50)


def test_what_an_installation_refuses_does_not_count_against_the_agent() -> None:
    made, _ = rates("calls_a_minute=100/100")
    take(made, ADA, 90)
    take(made, BOB, 10)
    for _ in range(5):
        refusal(made, BOB)
    assert made.level(BOB, "calls_a_minute")[0] == 10


def test_a_process_has_its_share_of_an_installations_rate_but_serves_one_agent_whole() -> None:
    made, _ = rates("calls_a_minute=100/1000", processes=4)
    assert made.most_here(1, "calls_a_minute") == 250
    made, _ = rates("calls_a_minute=100/1000", processes=64)
    assert made.most_here(1, "calls_a_minute") == 100


def test_what_an_agent_did_elsewhere_is_charged_over_the_time_in_which_it_did_it() -> None:
    made, clock = rates("calls_a_minute=60")
    take(made, ADA, 1)
    clock.at = 3600.0
    # A call every two seconds for an hour elsewhere is within the rate.
    made.charge(ADA, "calls_a_minute", 1800, since=0.0)
    take(made, ADA, 60)
    clock.at = 7200.0
    made.charge(ADA, "calls_a_minute", 90, since=7170.0)
    assert refusal(made, ADA)["retry_after_s"] == 1
    clock.at = 7230.0
    take(made, ADA, 29)


def test_a_report_of_fewer_calls_than_none_changes_nothing() -> None:
    made, _ = rates("calls_a_minute=60")
    made.charge(ADA, "calls_a_minute", -5, since=0.0)
    assert made.level(ADA, "calls_a_minute") == (0, 0.0)


# --- The table and its setting -------------------------------------------------------------------


def test_quotas_are_changed_by_name() -> None:
    found = table.parse("calls_a_minute=600/20000, queued_writes = 50, open_claims=/9,")
    assert (found["calls_a_minute"].agent, found["calls_a_minute"].installation) == (600, 20_000)
    assert (found["queued_writes"].agent, found["queued_writes"].installation) == (50, 4000)
    assert (found["open_claims"].agent, found["open_claims"].installation) == (1000, 9)
    assert table.parse("") == DEFAULTS


@pytest.mark.parametrize(
    "text",
    [
        "calls=1",
        "calls_a_minute",
        "calls_a_minute=0",
        "queued_writes=-1",
        "queued_writes=x",
        "queued_writes=/",
        "queued_writes=1.5",
        "queued_writes=99999999999999999999",
    ],
)
def test_wrong_quotas_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has '"):
        table.parse(text)


def test_the_page_has_the_table_of_quotas() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "budgets.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (\S+) \| (\S+) \|", page, re.MULTILINE)
    assert [(name, agent, most) for name, _, agent, most in rows] == [
        (name, str(each.agent or "\N{EN DASH}"), str(each.installation or "\N{EN DASH}"))
        for name, each in DEFAULTS.items()
    ]
    for name, unit, *_ in rows:
        assert unit.startswith(DEFAULTS[name].unit), name


# --- In a workspace ------------------------------------------------------------------------------


async def test_calls_beyond_the_quota_change_nothing_and_people_have_none(
    workspace: Workspace,
) -> None:
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    issue = await workspace.task()
    workspace.set_quotas("calls_a_minute=3")
    for _ in range(3):
        await ada.call("list_tasks")
    refused = await ada.refusal("claim_task", task=workspace.name(issue))
    assert (refused.code, refused.details["retry_after_s"]) == ("rate_limited", 20)
    assert (await bob.call("get_task", task=workspace.name(issue)))["task"]["holder"] is None
    person = Agent(workspace.dispatcher, replace(ada.actor, name="@octocat", role="tech-lead"))
    for _ in range(10):
        await person.call("list_tasks")
    for _ in range(4):
        workspace.person.comment(issue, "/status")
    await workspace.settle()
    assert len(issue.comments) >= 5
    workspace.clock.forward(20)
    await ada.call("claim_task", task=workspace.name(issue))


async def test_a_wrong_call_counts_too(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    workspace.set_quotas("calls_a_minute=2")
    for _ in range(2):
        assert (await ada.refusal("no_such_operation")).code == "unknown_operation"
    assert (await ada.refusal("list_tasks")).code == "rate_limited"


async def test_a_call_that_waits_counts_once(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    workspace.set_quotas("calls_a_minute=10")
    cursor = (await ada.call("wait_for_events", topics=["tasks"]))["cursor"]
    await ada.call("wait_for_events", topics=["tasks"], cursor=cursor, wait_s=0.05)
    (calls,) = [
        each
        for each in (await ada.call("get_budget"))["quotas"]
        if each["name"] == "calls_a_minute"
    ]
    assert calls["used"] == 3


async def test_two_processes_hold_an_agent_to_one_rate(
    workspace: Workspace, store_url: str
) -> None:
    ada = await workspace.agent("ada")
    workspace.set_quotas("calls_a_minute=60")
    second = await open_store(store_url, workspace.clock)
    shared = workspace.dispatcher.shared
    others = Rates(shared.rates.of(0), timer=shared.rates.now)
    there = Dispatcher(second, replace(shared, rates=others), touched=TTLCache(1, 0))
    elsewhere = Agent(there, ada.actor)
    try:
        await ada.call("list_tasks")
        for _ in range(59):
            await elsewhere.call("list_tasks")
        # The next statement that says that Ada is active tells this process what it did there.
        await ada.call("list_tasks")
        refused = await ada.refusal("list_tasks")
        assert refused.details["quota"] == "calls_a_minute"
    finally:
        await second.close()


async def test_what_an_agent_stores_in_a_day_is_bounded(workspace: Workspace) -> None:
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    workspace.set_quotas("bytes_a_day=10000")
    made = await ada.call("create_context", name="notes", content="x" * 6000)
    which = {"context_id": made["context"]["id"], "expected_version": 1}
    refused = await ada.refusal("update_context", **which, content="y" * 6000)
    assert (refused.code, refused.details["quota"]) == ("rate_limited", "bytes_a_day")
    assert 0 < refused.details["retry_after_s"] < 86_400
    await ada.call("get_context", context_id=which["context_id"])
    await bob.call("create_context", name="mine", content="x" * 6000)
    workspace.clock.forward(refused.details["retry_after_s"])
    await ada.call("update_context", **which, content="y" * 6000)
    (row,) = await workspace.rows(
        "SELECT stored_bytes FROM agents WHERE installation_id = :i AND id = 'ada'"
    )
    assert 12_000 <= row["stored_bytes"] < 13_000


async def test_messages_have_a_quota_of_the_agent_and_one_of_the_installation(
    workspace: Workspace,
) -> None:
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    workspace.set_quotas("messages_a_minute=20/22")
    for _ in range(20):
        await ada.call("send_message", to="bob", body="Hello")
    refused = await ada.refusal("send_message", to="bob", body="Hello")
    assert (refused.details["of"], refused.details["most"]) == ("agent", 20)
    # A small share of its own is Bob's, though the installation has used up all.
    for _ in range(2):
        await bob.call("send_message", to="ada", body="Hello")
    refused = await bob.refusal("send_message", to="ada", body="Hello")
    assert (refused.code, refused.details["of"]) == ("rate_limited", "installation")
    workspace.clock.forward(61)
    await ada.call("send_message", to="bob", body="Hello")


async def test_a_full_queue_of_the_installation_refuses_those_with_much_in_it(
    workspace: Workspace,
) -> None:
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    workspace.set_quotas("queued_writes=20/6")
    new = {"repository": "acme/rocket", "title": "Junk"}
    for n in range(6):
        await ada.call("github_create_issue", **{**new, "title": f"Junk {n}"})
    refused = await ada.refusal("github_create_issue", **new)
    assert (refused.code, refused.details["of"]) == ("rate_limited", "installation")
    assert (refused.details["most"], refused.details["retry_after_s"] > 0) == (6, True)
    for n in range(2):
        await bob.call("github_create_issue", **{**new, "title": f"Of Bob {n}"})
    assert (await bob.refusal("github_create_issue", **new)).code == "rate_limited"
    await workspace.settle()
    await ada.call("github_create_issue", **new)


async def test_open_claims_have_a_quota_of_the_server_below_the_repositorys(
    workspace: Workspace,
) -> None:
    names = [workspace.name(await workspace.task(f"Task {n}")) for n in range(3)]
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    workspace.set_quotas("open_claims=1/2")
    await ada.call("claim_task", task=names[0])
    refused = await ada.refusal("claim_task", task=names[1])
    assert (refused.code, refused.details["most"]) == ("too_many", 1)
    fence = (await bob.call("claim_task", task=names[1]))["fence"]
    eve = await workspace.agent("eve")
    refused = await eve.refusal("claim_task", task=names[2])
    assert (refused.code, refused.details["of"]) == ("too_many", "installation")
    await bob.call("release_task", task=names[1], fence=fence, note="Over to Eve")
    await eve.call("claim_task", task=names[2])


async def test_an_agent_reads_its_quotas_in_the_budget(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    workspace.set_quotas("calls_a_minute=100/1000, messages_a_minute=5")
    await ada.call("github_create_issue", repository="acme/rocket", title="One")
    await ada.call("claim_task", task=workspace.name(await workspace.task()))
    found = {each["name"]: each for each in (await ada.call("get_budget"))["quotas"]}
    assert list(found) == [name for name, each in DEFAULTS.items() if each.agent]
    calls = found["calls_a_minute"]
    assert (calls["used"], calls["most"]) == (3, 100)
    assert (calls["installation_used"], calls["installation_most"]) == (3, 1000)
    assert calls["resets_at"] > "2"
    assert found["open_claims"]["used"] == found["claims_an_hour"]["used"] == 1
    assert found["messages_a_minute"] == {"name": "messages_a_minute", "used": 0, "most": 5} | {
        "installation_used": 0,
        "installation_most": 6000,
    }
    bound = Agent(workspace.dispatcher, replace(ada.actor, repositories=frozenset({1})))
    shown = (await bound.call("get_budget"))["quotas"]
    assert not any("installation_used" in each for each in shown)
    person = Agent(workspace.dispatcher, Actor(workspace.installation.id, "@octocat", "observer"))
    assert (await person.call("get_budget"))["quotas"] == []


@ON_SQLITE
async def test_over_http_the_refusal_says_when_to_try_again(surface: Surface) -> None:
    quotas = Rates(table.parse("calls_a_minute=1"))
    surface.dispatcher.shared = replace(surface.dispatcher.shared, rates=quotas)
    token = await surface.token()
    assert (await surface.call(token, "list_agents")).status == 200
    answer = await surface.call(token, "list_agents")
    assert (answer.status, answer.data["error"]["code"]) == (429, "rate_limited")
    wait = answer.data["error"]["details"]["retry_after_s"]
    assert answer.headers["Retry-After"] == str(wait)


SIZES: list[tuple[Any, int]] = [
    ({}, 0),
    ({"content": "x" * 100}, 113),
    ({"files": [{"path": "a", "content": "b" * 50}]}, 88),
    ({"n": 5, "flag": True, "none": None}, 44),
]


@pytest.mark.parametrize(("given", "least"), SIZES)
def test_the_size_of_arguments_is_about_that_of_their_json(given: Any, least: int) -> None:
    assert abs(content_size(given) - least) <= 10
