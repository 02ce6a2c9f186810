"""`hubbub insights` and the operation get_insights, on what a workspace recorded."""

import json

import pytest

from bot.background import expiry
from bot.cli import insights
from bot.identity.actors import Actor
from bot.settings import WrongSettings
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


def lead(workspace: Workspace) -> Agent:
    return Agent(workspace.dispatcher, Actor(workspace.installation.id, "@octocat", "tech-lead"))


async def let_leases_expire(workspace: Workspace, agent: Agent, *, comes_back: bool) -> None:
    for n in range(3):
        task = workspace.name(await workspace.task(f"Task {n}"))
        await agent.call("claim_task", task=task, lease_s=60)
        workspace.clock.forward(120)
        await expiry.step(workspace.store)
        if comes_back:
            again = await agent.call("claim_task", task=task)
            await agent.call("release_task", task=task, fence=again["task"]["fence"])


async def test_short_leases_are_found_with_their_tasks(workspace: Workspace) -> None:
    assert (await lead(workspace).call("get_insights"))["findings"] == []
    await let_leases_expire(workspace, await workspace.agent("ada"), comes_back=True)
    (found,) = (await lead(workspace).call("get_insights"))["findings"]
    assert found["kind"] == "leases_too_short"
    assert found["cases"] == 3
    assert found["look_at"] == [f"acme/rocket#{n}" for n in (3, 2, 1)]
    assert "lease_s: 300" in found["change"]
    workspace.clock.forward(2 * 86_400)
    assert (await lead(workspace).call("get_insights", days=1))["findings"] == []


async def test_an_agent_that_does_not_come_back_has_died(workspace: Workspace) -> None:
    await let_leases_expire(workspace, await workspace.agent("ada"), comes_back=False)
    (found,) = (await lead(workspace).call("get_insights"))["findings"]
    assert (found["kind"], found["cases"]) == ("agent_dies", 3)


async def test_agents_that_fail_and_refused_commands_are_found(workspace: Workspace) -> None:
    agent = await workspace.agent("ada")
    for n in range(5):
        issue = await workspace.task(f"Task {n}")
        claimed = await agent.call("claim_task", task=workspace.name(issue))
        await agent.call(
            "update_task_status",
            task=workspace.name(issue),
            fence=claimed["task"]["fence"],
            status="failed" if n % 2 == 0 else "completed",
        )
        if n < 3:
            workspace.person.comment(issue, "/assign nobody-of-this-name")
    await workspace.settle()
    found = (await lead(workspace).call("get_insights"))["findings"]
    assert {each["kind"]: each["cases"] for each in found} == {
        "agent_fails": 3,
        "commands_refused": 3,
    }


@ON_SQLITE
async def test_only_leads_see_it_and_only_of_their_repositories(workspace: Workspace) -> None:
    await let_leases_expire(workspace, await workspace.agent("ada"), comes_back=False)
    i = workspace.installation.id
    elsewhere = Agent(
        workspace.dispatcher, Actor(i, "@octocat", "tech-lead", repositories=frozenset({1}))
    )
    assert (await elsewhere.call("get_insights"))["findings"] == []
    for actor in (Actor(i, "@octocat", "developer"), Actor(i, "ada", "tech-lead")):
        refused = await Agent(workspace.dispatcher, actor).refusal("get_insights")
        assert refused.code == "forbidden"


@ON_SQLITE
async def test_the_command_shows_findings_as_text_and_as_json(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    await let_leases_expire(workspace, await workspace.agent("ada"), comes_back=False)
    scope, found = await workspace.store.read(
        lambda tx: insights._report(tx, workspace.installation.id, 86_400)
    )
    insights._show(scope, found)
    shown = capsys.readouterr().out
    assert shown.startswith("acme, since ")
    assert "ada let 3 claims expire" in shown
    assert "Change: " in shown
    insights._show_as_json(scope, found)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["kind"] == "agent_dies"
    with pytest.raises(WrongSettings, match="--since"):
        insights._seconds("soon")
