"""Agent runs: how they start, and how a job becomes the agent of its run."""

import pytest

from bot.errors import Refused
from tests.support.agent_runs import (
    FIXER,
    begin,
    enter,
    set_templates,
    spawn,
    stored_runs,
    workflow_run,
)
from tests.support.story import Workspace

R = {"repository": "acme/rocket"}
DONE = {"outcome": "success"}


async def test_a_run_goes_from_its_start_to_its_result(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    issue = await workspace.task()
    run = await spawn(lead, task=workspace.name(issue))
    assert (run["state"], run["task"], run["asked_by"]) == ("dispatched", "acme/rocket#1", "lead")
    assert run["limits"] == {"minutes": 60, "children": 10, "levels": 3}
    agent = await begin(workspace, run)
    assert agent.actor.name == run["agent_id"] == f"actions-fixer-{run['run_id'][-6:]}"
    assert (agent.actor.role, agent.actor.repositories) == (
        "developer",
        frozenset({workspace.repository.id}),
    )
    started = workflow_run(workspace, run["run_id"])
    assert started.inputs == {
        "hubbub_run": run["run_id"],
        "task": "acme/rocket#1",
        "prompt": "",
        "model": "",
    }
    status = await lead.call("get_agent_status", run_id=run["run_id"])
    assert (status["run"]["state"], status["run"]["workflow_run"]) == ("running", started.id)
    assert (await agent.call("claim_task"))["task"]["task"] == "acme/rocket#1"
    status = await lead.call("get_agent_status", agent_id=run["agent_id"])
    assert [each["task"] for each in status["holds"]] == ["acme/rocket#1"]
    await agent.call("update_agent", result="Half of it works.")
    result = await lead.call("get_agent_result", run_id=run["run_id"])
    assert (result["result"], result["is_final"]) == ("Half of it works.", False)
    await agent.call("update_agent", result="It works.", **DONE)
    result = await lead.call("get_agent_result", run_id=run["run_id"])
    assert (result["result"], result["outcome"]) == ("It works.", "success")
    assert result["is_final"]
    workspace.github.ci.finish_run(started)
    await workspace.settle()
    status = await lead.call("get_agent_status", run_id=run["run_id"])
    assert status["run"]["state"] == "succeeded"
    (notice,) = [each for each in status["notices"] if each["kind"] == "run_ended"]
    assert notice["subject"] == run["agent_id"]


async def test_the_agent_of_a_run_is_below_the_agent_that_started_it(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Look around.")
    agent = await begin(workspace, run)
    child = await spawn(agent, **R, prompt="Look there.")
    await begin(workspace, child)
    listed = await lead.call("get_agent", agent_id=child["agent_id"])
    assert listed["agent"]["parent_id"] == run["agent_id"]
    assert child["parent"] == run["run_id"]
    assert (await lead.call("get_agent", agent_id=run["agent_id"]))["agent"]["parent_id"] == "lead"


async def test_nobody_else_gets_the_task_while_its_run_waits(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead, scout = await workspace.agent("lead", "tech-lead"), await workspace.agent("scout")
    issue = await workspace.task()
    run = await spawn(lead, task=workspace.name(issue))
    refused = await scout.refusal("claim_task", task=workspace.name(issue))
    assert refused.code == "reserved"
    refused = await lead.refusal("spawn_agent", template="fixer", task=workspace.name(issue))
    assert refused.code == "already_claimed"
    assert refused.details["run"] == run["run_id"]


async def test_the_holder_of_a_task_keeps_it_when_a_run_helps(workspace: Workspace) -> None:
    await set_templates(workspace)
    scout = await workspace.agent("scout")
    issue = await workspace.task()
    await scout.call("claim_task", task=workspace.name(issue))
    run = await spawn(scout, task=workspace.name(issue), prompt="Find the cause.")
    agent = await begin(workspace, run)
    assert workflow_run(workspace, run["run_id"]).inputs["prompt"] == "Find the cause."
    assert (await agent.refusal("claim_task", task=workspace.name(issue))).code == "already_claimed"
    task = await scout.call("get_task", task=workspace.name(issue))
    assert task["task"]["holder"] == "scout"


async def test_a_developer_starts_runs_for_its_own_tasks_alone(workspace: Workspace) -> None:
    await set_templates(workspace)
    scout = await workspace.agent("scout")
    above, below = await workspace.task("Above"), await workspace.task("Below")
    workspace.person.add_sub_issue(above, below)
    await workspace.settle()
    for given in ({"task": workspace.name(below)}, {**R, "prompt": "Go"}):
        refused = await scout.refusal("spawn_agent", template="fixer", **given)
        assert (refused.code, refused.details["needs"]) == ("forbidden", "tech-lead")
    assert await stored_runs(workspace, "id") == []


async def test_a_developer_starts_runs_for_what_is_below_its_task(workspace: Workspace) -> None:
    await set_templates(workspace)
    scout = await workspace.agent("scout")
    above = await workspace.task("Above")
    await scout.call("claim_task", task=workspace.name(above))
    below = await workspace.task("Below")
    workspace.person.add_sub_issue(above, below)
    await workspace.settle()
    run = await spawn(scout, task=workspace.name(below))
    assert (run["task"], run["asked_by"]) == ("acme/rocket#2", "scout")


async def test_a_developer_starts_runs_for_a_task_that_it_created(workspace: Workspace) -> None:
    await set_templates(workspace)
    scout = await workspace.agent("scout")
    await scout.call("create_task", **R, title="Mend it")
    await workspace.settle()
    assert (await spawn(scout, task="acme/rocket#1"))["state"] == "dispatched"


# --- The job and its run -------------------------------------------------------------------------


async def test_a_job_that_comes_before_the_answer_is_bound_by_what_it_passes(
    workspace: Workspace,
) -> None:
    """The answer to the dispatch is lost, and so are the webhooks of the run."""
    await set_templates(workspace, run_name="")
    workspace.github.never_name_dispatched_runs()
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    await workspace.settle()
    started = workflow_run(workspace, run["run_id"])
    assert await stored_runs(workspace, "workflow_run_id") == [(None,)]
    workspace.github.ci.start_run(started)
    with pytest.raises(Refused, match="does not list"):
        await enter(workspace, started)
    agent = await enter(workspace, started, run["run_id"])
    assert agent.actor.name == run["agent_id"]
    columns = ("state", "workflow_run_id", "run_attempt")
    assert await stored_runs(workspace, *columns) == [("running", started.id, 1)]


async def test_a_server_that_names_no_run_binds_by_the_title(workspace: Workspace) -> None:
    await set_templates(workspace)
    workspace.github.never_name_dispatched_runs()
    lead = await workspace.agent("lead", "tech-lead")
    one = await spawn(lead, **R, prompt="One")
    two = await spawn(lead, **R, prompt="Two")
    await workspace.settle()
    found = [workflow_run(workspace, each["run_id"]).id for each in (one, two)]
    assert await stored_runs(workspace, "id", "workflow_run_id") == [
        (one["run_id"], found[0]),
        (two["run_id"], found[1]),
    ]
    (await enter(workspace, workflow_run(workspace, two["run_id"])))
    assert await stored_runs(workspace, "state") == [("dispatched",), ("running",)]


async def test_after_an_unknown_outcome_the_title_tells_two_runs_apart(
    workspace: Workspace,
) -> None:
    """Both dispatches took effect, and GitHub answered neither."""
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    workspace.github.fault("POST", r"/dispatches$", "502_after", times=2)
    one = await spawn(lead, **R, prompt="One")
    two = await spawn(lead, **R, prompt="Two")
    await workspace.settle()
    assert len(workspace.repository.workflow_runs) == 2
    found = [workflow_run(workspace, each["run_id"]).id for each in (one, two)]
    assert await stored_runs(workspace, "workflow_run_id") == [(found[0],), (found[1],)]


async def test_a_job_cannot_be_the_agent_of_another_run(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    await workspace.settle()
    own = workspace.github.ci.dispatch(workspace.repository, "agent.yml")
    workspace.github.ci.start_run(own)
    await workspace.settle()
    with pytest.raises(Refused, match="is not the agent run"):
        await enter(workspace, own, run["run_id"])
    with pytest.raises(Refused, match="does not know this run as one that it started"):
        await enter(workspace, own)
    assert (await begin(workspace, run)).actor.name == run["agent_id"]


async def test_a_run_whose_template_is_gone_is_accepted_no_longer(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    await begin(workspace, run)
    sessions = "SELECT actor FROM credentials WHERE installation_id = :i AND kind = 'session' "
    live = f"{sessions} AND revoked_at IS NULL"
    assert await workspace.rows(live) == [{"actor": run["agent_id"]}]
    await set_templates(workspace, "lease_s: 600\n")
    assert await workspace.rows(live) == []
    with pytest.raises(Refused, match="has no fixer any more"):
        await enter(workspace, workflow_run(workspace, run["run_id"]))


async def test_a_job_of_a_run_that_has_ended_is_refused_also_when_it_runs_again(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    await begin(workspace, run)
    started = workflow_run(workspace, run["run_id"])
    workspace.github.ci.finish_run(started, "failure")
    await workspace.settle()
    workspace.github.ci.rerun(started)
    workspace.github.ci.start_run(started)
    await workspace.settle()
    with pytest.raises(Refused, match="has ended"):
        await enter(workspace, started)
    assert await stored_runs(workspace, "state") == [("failed",)]


async def test_a_workflow_that_github_does_not_start_ends_the_run_with_its_reason(
    workspace: Workspace,
) -> None:
    await set_templates(workspace, FIXER.replace("agent.yml", "missing.yml"))
    lead = await workspace.agent("lead", "tech-lead")
    issue = await workspace.task()
    run = await spawn(lead, task=workspace.name(issue))
    await workspace.settle()
    found = (await lead.call("get_agent_status", run_id=run["run_id"]))["run"]
    assert found["state"] == "not_started"
    assert found["why"].startswith("its workflow was not started: GitHub ")
    scout = await workspace.agent("scout")
    assert (await scout.call("claim_task"))["task"]["task"] == "acme/rocket#1"
