"""`/assign` with the name of a template starts an agent for the task."""

import asyncio
import re

from bot.errors import Refused
from bot.repository.settings_file import PATH
from fixtures.github import Issue
from fixtures.github.ci import AGENT_INPUTS, AGENT_RUN_NAME
from tests.support.agent_runs import (
    FILE,
    FIXER,
    begin,
    set_templates,
    spawn,
    stored_runs,
    workflow_run,
)
from tests.support.story import Workspace

MODELS = FIXER + (
    "    model: usual-1\n"
    "    when: [{priority: high, model: large-1}, {label: docs, model: small-1}]\n"
)


def replies(issue: Issue) -> list[str]:
    """What Hubbub wrote, but for the card and its marks."""
    said = [each.body for each in issue.comments if each.user.login == "hubbub[bot]"]
    return [re.sub(r"^(<!--.*?-->\s*)+", "", each) for each in said if "hubbub:write" in each]


async def test_a_person_starts_an_agent_by_a_comment(workspace: Workspace) -> None:
    await set_templates(workspace, MODELS)
    issue = await workspace.task()
    workspace.person.comment(issue, "/assign fixer")
    await workspace.settle()
    ((run_id, agent_id, asked_by),) = await stored_runs(workspace, "id", "agent_id", "asked_by")
    assert asked_by == "@octocat"
    said = f"Hubbub is starting `fixer` with `usual-1`: run `{run_id}` in GitHub Actions."
    assert any(said in each for each in replies(issue)), replies(issue)
    started = workflow_run(workspace, run_id)
    assert started.inputs == {
        "hubbub_run": run_id,
        "task": "acme/rocket#1",
        "prompt": "",
        "model": "usual-1",
    }
    agent = await begin(workspace, {"run_id": run_id})
    assert (await agent.call("claim_task"))["task"]["holder"] == agent_id


async def test_a_command_waits_for_settings_that_were_pushed_before_it(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/status")
    await workspace.settle()
    workspace.github.ci.workflow(workspace.repository, FILE, AGENT_INPUTS, run_name=AGENT_RUN_NAME)
    workspace.person.push(workspace.repository, "main", {PATH: FIXER})
    workspace.person.comment(issue, "/assign fixer")
    await workspace.settle()
    assert "Hubbub is starting `fixer`" in replies(issue)[-1]


async def test_a_command_runs_by_the_last_settings_while_github_is_away(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    issue = await workspace.task()
    workspace.person.comment(issue, "/status")
    await workspace.settle()
    workspace.github.fault("GET", r".*/contents/.github/hubbub.yml", "500", times=70)
    workspace.person.push(workspace.repository, "main", {PATH: f"{FIXER}lease_s: 600\n"})
    workspace.person.comment(issue, "/assign fixer")
    await workspace.settle()
    await workspace.time_passes(31)
    assert "Hubbub is starting `fixer`" in replies(issue)[-1]


async def test_the_rules_of_a_template_choose_the_model(workspace: Workspace) -> None:
    await set_templates(workspace, MODELS)
    for labels in (["docs"], ["docs", "priority: high"], []):
        issue = workspace.person.open_issue(
            workspace.repository, "Mend it", "", labels=["agent-task", *labels]
        )
        await workspace.settle()
        workspace.person.comment(issue, "/assign fixer")
        await workspace.settle()
    columns = ("model", "priority")
    assert await stored_runs(workspace, *columns) == [
        ("small-1", 1),
        ("large-1", 2),
        ("usual-1", 1),
    ]


async def test_a_person_without_write_access_starts_nothing(workspace: Workspace) -> None:
    await set_templates(workspace)
    issue = await workspace.task()
    helper = workspace.github.person("helper", permissions={"acme/rocket": "triage"})
    helper.comment(issue, "/assign fixer")
    await workspace.settle()
    assert await stored_runs(workspace, "id") == []
    assert any("you need the permission write" in each for each in replies(issue))


async def test_an_unknown_name_is_refused_with_those_like_it(workspace: Workspace) -> None:
    await set_templates(workspace)
    await workspace.agent("fixture")
    issue = await workspace.task()
    workspace.person.comment(issue, "/assign fixr")
    await workspace.settle()
    assert await stored_runs(workspace, "id") == []
    said = (
        "No agent 'fixr' is registered in this installation, and acme/rocket has no template with "
        "this name. Did you mean fixer or fixture? `/agents` lists the agents. Templates: fixer."
    )
    assert any(said in each for each in replies(issue)), replies(issue)


async def test_the_id_of_an_agent_comes_before_the_name_of_a_template(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    await workspace.agent("fixer")
    issue = await workspace.task()
    workspace.person.comment(issue, "/assign fixer")
    await workspace.settle()
    assert await stored_runs(workspace, "id") == []
    (task,) = await workspace.rows("SELECT assigned_to FROM tasks WHERE installation_id = :i")
    assert task["assigned_to"] == "fixer"


async def test_more_runs_than_there_are_places_wait_in_the_queue(workspace: Workspace) -> None:
    await set_templates(workspace, f"runs:\n  parallel: 1\n{FIXER}")
    issues = [await workspace.task(f"Mend {n}") for n in range(3)]
    for issue, name in zip(issues, ("medium", "low", "high"), strict=True):
        workspace.person.comment(issue, f"/priority {name}\n/assign fixer")
        await workspace.settle()
    columns = ("state", "priority")
    assert await stored_runs(workspace, *columns) == [
        ("dispatched", 1),
        ("queued", 0),
        ("queued", 2),
    ]
    assert any("it is number 1 in the queue" in each for each in replies(issues[1]))
    assert any("it is number 1 in the queue" in each for each in replies(issues[2]))
    (_, low, high) = await stored_runs(workspace, "id")
    lead = await workspace.agent("lead", "tech-lead")
    found = [
        (await lead.call("get_agent_status", run_id=each[0]))["run"]["place"]
        for each in (high, low)
    ]
    assert found == [1, 2]


async def test_a_template_has_a_limit_of_its_own(workspace: Workspace) -> None:
    two = f"{FIXER}    limits: {{parallel: 1}}\n  writer:\n    workflow: agent.yml\n"
    await set_templates(workspace, two)
    for n, name in enumerate(("fixer", "fixer", "writer")):
        workspace.person.comment(await workspace.task(f"Mend {n}"), f"/assign {name}")
        await workspace.settle()
    columns = ("template", "state")
    assert await stored_runs(workspace, *columns) == [
        ("fixer", "dispatched"),
        ("fixer", "queued"),
        ("writer", "dispatched"),
    ]


async def test_assign_without_a_name_stops_a_run_that_has_not_claimed(
    workspace: Workspace,
) -> None:
    await set_templates(workspace, f"runs:\n  parallel: 1\n{FIXER}")
    first, second = await workspace.task("First"), await workspace.task("Second")
    for issue in (first, second):
        workspace.person.comment(issue, "/assign fixer")
        await workspace.settle()
    workspace.person.comment(second, "/assign")
    await workspace.settle()
    ((_, _), (state, why)) = await stored_runs(workspace, "state", "why")
    assert (state, why) == ("cancelled", "@octocat ended the reservation of its task")
    scout = await workspace.agent("scout")
    assert (await scout.call("claim_task"))["task"]["task"] == workspace.name(second)


async def test_a_repository_can_forbid_agents_to_start_runs(workspace: Workspace) -> None:
    await set_templates(workspace, f"agents:\n  spawn_agent: nobody\n{FIXER}")
    lead = await workspace.agent("lead", "tech-lead")
    issue = await workspace.task()
    name = workspace.name(issue)
    for given in (("spawn_agent", {"template": "fixer"}), ("assign_task", {"agent_id": "fixer"})):
        refused = await lead.refusal(given[0], task=name, **given[1])
        assert refused.message.startswith("acme/rocket allows no agent to call spawn_agent.")
    workspace.person.comment(issue, "/assign fixer")
    await workspace.settle()
    assert len(await stored_runs(workspace, "id")) == 1


async def test_no_template_means_no_run(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "main", {PATH: "lease_s: 600\n"})
    lead = await workspace.agent("lead", "tech-lead")
    await workspace.settle()
    refused = await lead.refusal("spawn_agent", template="fixer", repository="acme/rocket")
    assert refused.code == "unknown_template"
    assert refused.message == (
        "acme/rocket has no template 'fixer'. It has no templates; `templates` in "
        ".github/hubbub.yml has them."
    )


async def test_of_runs_that_start_at_once_no_more_run_than_there_are_places(
    workspace: Workspace,
) -> None:
    await set_templates(workspace, f"runs:\n  parallel: 2\n{FIXER}")
    lead = await workspace.agent("lead", "tech-lead")
    wanted = [spawn(lead, repository="acme/rocket", prompt=f"Go {n}") for n in range(6)]
    started = await asyncio.gather(*wanted)
    assert sorted(each["state"] for each in started) == ["dispatched"] * 2 + ["queued"] * 4
    assert len({each["agent_id"] for each in started}) == 6


async def test_runs_that_start_at_once_below_one_run_keep_its_limits(workspace: Workspace) -> None:
    await set_templates(workspace, f"{FIXER}    limits: {{children: 2}}\n")
    lead = await workspace.agent("lead", "tech-lead")
    agent = await begin(workspace, await spawn(lead, repository="acme/rocket", prompt="Lead"))

    async def outcome(n: int) -> str:
        try:
            found = await spawn(agent, repository="acme/rocket", prompt=f"Part {n}")
        except Refused as exc:
            return f"{exc.code} {exc.details['limit']}"
        return str(found["state"])

    found = sorted(await asyncio.gather(*(outcome(n) for n in range(5))))
    assert found == ["dispatched"] * 2 + ["run_limit children"] * 3
