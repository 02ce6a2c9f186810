"""Jobs and people that try to take a run over, or to go beyond its limits."""

import pytest

from bot.background import agent_runs
from bot.background.clock_watch import ClockWatch
from bot.errors import Refused
from bot.identity.actors import BOT
from bot.runs import binding, queue, spawning, terminating
from fixtures.github import WorkflowRun
from store.engine.origins import Origin
from tests.support.actions import HUBBUB, open_tokens, token_of
from tests.support.agent_runs import (
    FIXER,
    begin,
    enter,
    set_templates,
    spawn,
    stored_runs,
    workflow_run,
)
from tests.support.runs_in_time import queue as queue_run
from tests.support.runs_in_time import run_of
from tests.support.story import Workspace

R = {"repository": "acme/rocket"}
ONE_PLACE = f"runs: {{parallel: 1}}\n{FIXER}"


async def exchange(workspace: Workspace, run: WorkflowRun, run_id: str, **claims: str) -> str:
    """The agent for which a job with these claims gets a session."""
    async with open_tokens(workspace.store, workspace.github, workspace.clock) as checker:
        issued = await checker.exchange(
            workspace.dispatcher.shared.keys,
            token_of(workspace, run, **claims),
            workspace.clock(),
            audience=HUBBUB,
            origin=Origin(),
            run_id=run_id,
        )
    return issued.grant.actor


async def test_a_run_that_gets_its_place_while_it_is_stopped_is_not_started(
    workspace: Workspace,
) -> None:
    """The caller has read that it waits, and meanwhile another process dispatches it."""
    await set_templates(workspace, ONE_PLACE)
    run = await queue_run(workspace)
    here = (workspace.installation.id, workspace.repository.id)
    second = await queue_run(workspace)
    assert second["state"] == "queued"
    await set_templates(workspace, ONE_PLACE.replace("1", "2"))
    await workspace.store.write(lambda tx: queue.promote(tx, *here))
    assert (await run_of(workspace, second))["state"] == "dispatched"
    await workspace.store.write(lambda tx: terminating.stop(tx, second, BOT, "Stopped."))
    assert (await run_of(workspace, second))["state"] == "cancelled"
    await workspace.settle()
    started = {each.inputs["hubbub_run"] for each in workspace.repository.workflow_runs.values()}
    assert started == {run["id"]}


async def test_a_person_cannot_start_a_job_as_the_agent_of_a_run(workspace: Workspace) -> None:
    """The answer to the dispatch is under way, and somebody has read the id of the run."""
    await set_templates(workspace, run_name="")
    workspace.github.never_name_dispatched_runs()
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    await workspace.settle()
    inputs = {"hubbub_run": run["run_id"], "prompt": "Do as I say"}
    own = workspace.github.ci.dispatch(workspace.repository, "agent.yml", inputs)
    with pytest.raises(Refused, match="is not the agent run"):
        await exchange(workspace, own, run["run_id"], actor="mallory")
    assert await stored_runs(workspace, "state", "workflow_run_id") == [("dispatched", None)]


async def test_an_agent_cannot_start_a_workflow_as_an_agent_run(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    refused = await lead.refusal(
        "github_run_workflow", **R, workflow="agent.yml", inputs={"hubbub_run": run["run_id"]}
    )
    assert refused.code == "invalid_arguments"
    assert "spawn_agent" in refused.message


async def test_the_title_of_another_run_does_not_take_its_place(workspace: Workspace) -> None:
    """Its webhook comes before GitHub's answer, which says which workflow run is the right one."""
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    inputs = {"hubbub_run": run["run_id"]}
    other = workspace.github.ci.dispatch(workspace.repository, "agent.yml", inputs)
    while await workspace.process_delivery():
        pass
    assert await stored_runs(workspace, "workflow_run_id") == [(other.id,)]
    with pytest.raises(Refused, match="which Hubbub starts itself"):
        await exchange(workspace, other, "", actor="mallory", actor_id="77")
    await workspace.settle()
    (ours,) = (each.id for each in workspace.repository.workflow_runs.values() if each != other)
    assert await stored_runs(workspace, "state", "workflow_run_id") == [("dispatched", ours)]


async def test_a_workflow_that_starts_after_the_end_of_its_run_is_cancelled(
    workspace: Workspace,
) -> None:
    """Its dispatch goes out while somebody stops the run, and the outcome is unknown for long."""
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    workspace.github.lose_deliveries(1)
    run = await spawn(lead, **R, prompt="Go")
    await workspace.die_while_sending()
    await lead.call("terminate_agent", run_id=run["run_id"])
    for _ in range(8):
        workspace.clock.forward(31)
        await agent_runs.step(workspace.store, "USD")
    assert await stored_runs(workspace, "state") == [("stopping",)]
    for _ in range(8):
        await workspace.time_passes(61)
    assert await stored_runs(workspace, "state") == [("cancelled",)]
    assert workflow_run(workspace, run["run_id"]).conclusion == "cancelled"


def test_a_title_that_names_several_runs_binds_none() -> None:
    """The prompt of an agent may be in the title, and name the run of somebody else."""
    own, other = "r_01k52wm9h01910qsf0kd", "r_01k52wm9h01a10qsj3bc"
    assert binding.named_in(f"Agent {own}") == own
    assert binding.named_in(f"Be {other} (Agent {own})") is None
    assert binding.named_in(f"{own} goes on as {own}") == own


async def test_a_second_attempt_is_refused_although_the_end_of_the_first_was_lost(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    await begin(workspace, run)
    started = workflow_run(workspace, run["run_id"])
    workspace.github.lose_deliveries(100)
    workspace.github.ci.finish_run(started, "failure")
    workspace.github.ci.rerun(started)
    workspace.github.ci.start_run(started)
    with pytest.raises(Refused, match="runs again"):
        await enter(workspace, started)


async def test_what_runs_below_use_counts_also_after_the_run_above_has_succeeded(
    workspace: Workspace,
) -> None:
    limits = "    limits: {tokens: 1000}\n"
    await set_templates(workspace, f"runs: {{parallel: 9}}\n{FIXER}{limits}")
    lead = await workspace.agent("lead", "tech-lead")
    top = await spawn(lead, **R, prompt="Lead")
    agent = await begin(workspace, top)
    children = [
        await begin(workspace, await spawn(agent, **R, prompt=f"Part {n}")) for n in range(3)
    ]
    workspace.github.ci.finish_run(workflow_run(workspace, top["run_id"]))
    await workspace.settle()
    for each in children[:2]:
        await each.call("report_usage", model="m", input_tokens=600)
    assert await stored_runs(workspace, "state") == [("succeeded",), *[("stopping",)] * 3]


async def test_runs_that_wait_start_after_the_run_above_has_succeeded(
    workspace: Workspace,
) -> None:
    await set_templates(workspace, ONE_PLACE)
    lead = await workspace.agent("lead", "tech-lead")
    top = await spawn(lead, **R, prompt="Lead")
    agent = await begin(workspace, top)
    await spawn(agent, **R, prompt="Part")
    workspace.github.ci.finish_run(workflow_run(workspace, top["run_id"]))
    await workspace.settle()
    assert await stored_runs(workspace, "state", "why") == [
        ("succeeded", None),
        ("dispatched", None),
    ]
    assert len(workspace.repository.workflow_runs) == 2


SECRET = "ghp_aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5"


async def test_a_secret_in_a_prompt_is_refused(workspace: Workspace) -> None:
    """Everybody who may read the repository sees the inputs of a workflow."""
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    given = {"template": "fixer", **R, "prompt": f"Use {SECRET}"}
    refused = await lead.refusal("spawn_agent", **given)
    assert (refused.code, SECRET in refused.message) == ("invalid_arguments", False)
    assert await stored_runs(workspace, "id") == []


async def test_a_model_cannot_be_an_option_of_the_agents_program(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    model = "--dangerously-skip-permissions"
    given = {"template": "fixer", **R, "prompt": "Go", "model": model}
    assert (await lead.refusal("spawn_agent", **given)).code == "invalid_arguments"


@pytest.mark.parametrize("how", ["remove_app", "suspend"])
async def test_a_run_in_a_repository_without_the_app_comes_to_an_end(
    workspace: Workspace, how: str
) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    await begin(workspace, run)
    if how == "suspend":
        workspace.github.suspend(workspace.installation)
    else:
        names = [workspace.repository.full_name]
        workspace.github.remove_repositories(workspace.installation, names)
    await workspace.settle()
    for seconds in (3601, 130, *[200] * 6):
        await workspace.time_passes(seconds)
    ((state, due_at),) = await stored_runs(workspace, "state", "due_at")
    assert (state, due_at) == ("cancelled", None)


async def test_the_sessions_of_a_run_end_with_it_although_github_never_says_that_it_completed(
    workspace: Workspace,
) -> None:
    """The webhook of the next attempt is the first one that comes."""
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    await begin(workspace, run)
    started = workflow_run(workspace, run["run_id"])
    workspace.github.hold_deliveries()
    workspace.github.ci.finish_run(started, "failure")
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    workspace.github.ci.rerun(started)
    workspace.github.ci.start_run(started)
    await workspace.settle()
    assert await stored_runs(workspace, "state") == [("failed",)]
    live = (
        "SELECT id FROM credentials WHERE installation_id = :i AND actor = :a "
        "AND kind = 'session' AND revoked_at IS NULL"
    )
    assert await workspace.rows(live, a=run["agent_id"]) == []


async def test_agents_leave_places_in_the_queue_to_people(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawning, "MOST_QUEUED", 3)
    monkeypatch.setattr(spawning, "FOR_PEOPLE", 1)
    await set_templates(workspace, ONE_PLACE)
    lead = await workspace.agent("lead", "tech-lead")
    for n in range(3):
        await spawn(lead, **R, prompt=f"Part {n}")
    given = {"template": "fixer", **R, "prompt": "One more"}
    refused = await lead.refusal("spawn_agent", **given)
    assert (refused.code, refused.details) == ("run_limit", {"limit": "queue"})
    assert (await queue_run(workspace))["state"] == "queued"
    with pytest.raises(Refused, match="3 runs of acme/rocket wait"):
        await queue_run(workspace)


async def test_a_question_that_a_fast_clock_asked_is_answered_once_the_clock_is_right(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    run = await spawn(await workspace.agent("lead", "tech-lead"), **R, prompt="Go")
    await workspace.settle()
    workspace.clock.forward(86_400)
    await agent_runs.step(workspace.store, "USD")
    ((asked_at,),) = await stored_runs(workspace, "asked_at")
    workspace.clock.forward(-86_400)
    assert asked_at > workspace.clock()
    await ClockWatch(workspace.store).step()
    for seconds in (31, 31):
        await workspace.time_passes(seconds)
    assert await stored_runs(workspace, "id", "state") == [(run["run_id"], "not_started")]
