"""People look at the outbox of everybody, and at the budgets over time."""

from bot.background import budget_sampling, retention
from bot.background.retention import DAY, RetentionTimes
from bot.identity.actors import Actor, person_with_roles
from bot.times import SECOND
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


def reader(workspace: Workspace, repository_id: int) -> Agent:
    actor = person_with_roles(
        workspace.installation.id, "mona", {repository_id: "observer"}, [repository_id, 99]
    )
    return Agent(workspace.dispatcher, actor)


async def test_people_see_the_writes_of_all_agents_and_when_they_go_out(
    workspace: Workspace,
) -> None:
    issue = workspace.name(await workspace.task())
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    first = await ada.write("github_comment_issue", issue=issue, body="One\nmore")
    second = await bob.write("github_comment_issue", issue=issue, body="Two")
    me = reader(workspace, workspace.repository.id)
    shown = (await me.call("get_outbox"))["writes"]
    assert [(each["write_id"], each["author"], each["text"]) for each in shown] == [
        (second["write_id"], "bob", "Two"),
        (first["write_id"], "ada", "One"),
    ]
    assert shown[0]["ahead"] == 1
    assert shown[1]["expected_at"] <= shown[0]["expected_at"]
    of_ada = (await me.call("get_outbox", author="ada"))["writes"]
    assert [each["write_id"] for each in of_ada] == [first["write_id"]]
    await workspace.settle()
    sent = (await me.call("get_outbox", state="sent", author="bob"))["writes"]
    assert [(each["write_id"], each["expected_at"]) for each in sent] == [
        (second["write_id"], None)
    ]


async def test_writes_of_other_repositories_are_not_shown(workspace: Workspace) -> None:
    issue = workspace.name(await workspace.task())
    ada = await workspace.agent("ada")
    await ada.write("github_comment_issue", issue=issue, body="One")
    found = await reader(workspace, 77).call("get_outbox")
    assert (found["writes"], found["authors"]) == ([], [])
    operator = Agent(workspace.dispatcher, Actor(workspace.installation.id, "@boss", "tech-lead"))
    found = await operator.call("get_outbox")
    assert found["authors"] == [{"author": "ada", "n": 1, "paused": 0}]


# The newest installations of a database are sampled, and the tests on MariaDB share one.
@ON_SQLITE
async def test_budgets_are_sampled_once_in_five_minutes_and_kept_for_a_month(
    workspace: Workspace,
) -> None:
    issue = workspace.name(await workspace.task())
    ada = await workspace.agent("ada")
    me = reader(workspace, workspace.repository.id)
    for text in ("One", "Two"):
        await ada.write("github_comment_issue", issue=issue, body=text)
        await workspace.settle()
        assert await budget_sampling.step(workspace.store) == 1
        assert await budget_sampling.step(workspace.store) == 0
        workspace.clock.forward(301)
    found = await me.call("get_budget_history")
    by_name = {each["name"]: each for each in found["left"]}
    assert {"content", "points", "queue"} <= by_name.keys()
    assert [each["n"] for each in by_name["queue"]["points"]] == [0, 0]
    assert sum(each["n"] for each in found["sent"]) >= 2
    workspace.clock.forward(32 * DAY / SECOND)
    times = RetentionTimes(deliveries=DAY, history=365 * DAY, grace=365 * DAY)
    while await retention.step(workspace.store, workspace.dispatcher.shared.keys, times, {}):
        pass
    assert await workspace.rows("SELECT * FROM budget_samples WHERE installation_id = :i") == []


async def test_reported_spend_is_shown_by_day_of_what_the_person_sees(
    workspace: Workspace,
) -> None:
    issue = workspace.name(await workspace.task())
    ada = await workspace.agent("ada")
    await ada.call("claim_task", task=issue)
    await ada.call("report_usage", model="m-1", cost="0.5", input_tokens=10, task=issue)
    bob = await workspace.agent("bob")
    await bob.call("report_usage", model="m-1", cost="0.25", output_tokens=7)
    day = reader(workspace, workspace.repository.id)
    (mine,) = (await day.call("get_budget_history", range="month"))["spend"]
    assert (mine["cost"], mine["input_tokens"], mine["output_tokens"]) == ("0.50", 10, 0)
    boss = Agent(workspace.dispatcher, Actor(workspace.installation.id, "@boss", "tech-lead"))
    (all_of_it,) = (await boss.call("get_budget_history"))["spend"]
    assert (all_of_it["cost"], all_of_it["output_tokens"]) == ("0.75", 7)
    assert (await reader(workspace, 77).call("get_budget_history"))["spend"] == []
