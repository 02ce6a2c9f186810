"""What time does to a run: a start that does not come, a deadline, a stop in steps."""

from bot.runs import deadlines
from bot.runs.deadlines import CANCEL_WITHIN, GRACE, LOOK_WAIT, START_WITHIN
from bot.times import SECOND
from store.tables.runs import AgentRunRow
from tests.support.agent_runs import FIXER, set_templates, workflow_run
from tests.support.runs_in_time import run_of, spawn
from tests.support.story import Workspace

SHORT = f"{FIXER}    limits: {{minutes: 10}}\n"


async def passes(workspace: Workspace, *lengths: int) -> None:
    for each in lengths:
        await workspace.time_passes(each / SECOND + 1)


async def end_of(workspace: Workspace, run: AgentRunRow) -> tuple[str, str | None]:
    found = await run_of(workspace, run)
    return found["state"], found["why"]


async def requests(workspace: Workspace) -> list[str]:
    """The requests of the kinds that end a workflow run, in their order."""
    sent = [each.path for each in workspace.github.requests if each.method == "POST"]
    return [each.rpartition("/")[2] for each in sent if each.endswith("cancel")]


async def test_a_run_that_no_runner_takes_is_cancelled_and_its_task_free_again(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    issue = await workspace.task()
    run = await spawn(workspace, issue)
    assert run["state"] == "dispatched"
    await passes(workspace, START_WITHIN, LOOK_WAIT)
    assert await end_of(workspace, run) == (
        "not_started",
        "no runner took its job within 15 min",
    )
    assert workflow_run(workspace, run["id"]).conclusion == "cancelled"
    scout = await workspace.agent("scout")
    assert (await scout.call("claim_task"))["task"]["task"] == workspace.name(issue)


async def test_a_start_whose_webhooks_were_lost_is_seen_by_a_read(workspace: Workspace) -> None:
    await set_templates(workspace)
    run = await spawn(workspace)
    workspace.github.lose_deliveries(1)
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    await passes(workspace, START_WITHIN, LOOK_WAIT)
    assert (await run_of(workspace, run))["state"] == "running"


async def test_an_end_whose_webhooks_were_lost_is_seen_by_a_read(workspace: Workspace) -> None:
    await set_templates(workspace)
    run = await spawn(workspace)
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    workspace.github.ci.finish_run(workflow_run(workspace, run["id"]))
    await passes(workspace, deadlines.LOOK_EVERY)
    assert (await run_of(workspace, run))["state"] == "succeeded"


async def test_the_end_of_the_last_job_is_enough_to_ask_how_the_run_ended(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    run = await spawn(workspace)
    workspace.github.hold_deliveries()
    workspace.github.ci.finish_run(workflow_run(workspace, run["id"]), "failure")
    for each in workspace.github.held_deliveries:
        if each.event == "workflow_job":
            await workspace.github.post(each)
    workspace.github.held_deliveries.clear()
    await workspace.settle()
    assert (await run_of(workspace, run))["state"] == "running"
    await passes(workspace, 60 * SECOND)
    assert await end_of(workspace, run) == ("failed", "its workflow run ended with failure")


async def test_a_dispatch_that_github_refuses_ends_the_run_with_its_reason(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    del workspace.repository.dispatchable["agent.yml"]
    issue = await workspace.task()
    run = await spawn(workspace, issue)
    state, why = await end_of(workspace, run)
    assert state == "not_started"
    assert why is not None
    assert why.startswith("its workflow was not started: ")
    scout = await workspace.agent("scout")
    assert (await scout.call("claim_task"))["task"]["task"] == workspace.name(issue)


async def test_a_run_that_github_does_not_name_is_found_by_its_title(
    workspace: Workspace,
) -> None:
    """An older GitHub Enterprise Server does not name it, and the webhook is lost."""
    await set_templates(workspace)
    workspace.github.never_name_dispatched_runs()
    workspace.github.lose_deliveries(1)
    run = await spawn(workspace)
    assert run["workflow_run_id"] is None
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    await passes(workspace, START_WITHIN, LOOK_WAIT)
    found = await run_of(workspace, run)
    assert (found["state"], found["workflow_run_id"]) == (
        "running",
        workflow_run(workspace, run["id"]).id,
    )


async def test_a_run_of_which_github_shows_nothing_has_not_started(workspace: Workspace) -> None:
    await set_templates(workspace)
    workspace.github.never_name_dispatched_runs()
    workspace.github.lose_deliveries(1)
    run = await spawn(workspace)
    workspace.repository.workflow_runs.clear()
    await passes(workspace, START_WITHIN, LOOK_WAIT)
    assert await end_of(workspace, run) == (
        "not_started",
        "GitHub shows no workflow run for it",
    )


async def test_nothing_is_believed_while_github_does_not_answer(workspace: Workspace) -> None:
    await set_templates(workspace)
    run = await spawn(workspace)
    workspace.github.fault("GET", "/actions/runs/", "502", times=1000)
    await passes(workspace, START_WITHIN, *[LOOK_WAIT] * 5)
    assert (await run_of(workspace, run))["state"] == "dispatched"
    workspace.github.clear_faults()
    await passes(workspace, *[3600 * SECOND] * 3)
    assert (await run_of(workspace, run))["state"] == "not_started"


async def test_a_run_beyond_its_minutes_is_asked_to_stop_and_then_cancelled(
    workspace: Workspace,
) -> None:
    await set_templates(workspace, SHORT)
    run = await spawn(workspace)
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    await workspace.settle()
    await passes(workspace, 600 * SECOND)
    assert await end_of(workspace, run) == ("stopping", "its time of 10 min is over")
    assert await requests(workspace) == []
    await passes(workspace, GRACE)
    assert await requests(workspace) == ["cancel"]
    assert await end_of(workspace, run) == ("cancelled", "its time of 10 min is over")


async def test_an_agent_that_stops_by_itself_is_not_cancelled(workspace: Workspace) -> None:
    await set_templates(workspace, SHORT)
    run = await spawn(workspace)
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    await workspace.settle()
    await passes(workspace, 600 * SECOND)
    workspace.github.ci.finish_run(workflow_run(workspace, run["id"]))
    await workspace.settle()
    await passes(workspace, GRACE, CANCEL_WITHIN)
    assert (await run_of(workspace, run))["state"] == "succeeded"
    assert await requests(workspace) == []


async def test_a_run_that_resists_is_cancelled_by_force(workspace: Workspace) -> None:
    await set_templates(workspace, SHORT)
    run = await spawn(workspace)
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    workflow_run(workspace, run["id"]).resists = "cancel"
    await workspace.settle()
    await passes(workspace, 600 * SECOND, GRACE, CANCEL_WITHIN, LOOK_WAIT)
    assert await requests(workspace) == ["cancel", "force-cancel"]
    assert await end_of(workspace, run) == ("cancelled", "its time of 10 min is over")


async def test_a_run_that_github_cannot_end_is_given_up_and_its_task_free(
    workspace: Workspace,
) -> None:
    await set_templates(workspace, SHORT)
    run = await spawn(workspace, await workspace.task())
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    workflow_run(workspace, run["id"]).resists = "force-cancel"
    await workspace.settle()
    await passes(workspace, 600 * SECOND, GRACE, *[CANCEL_WITHIN, LOOK_WAIT] * 2)
    assert await requests(workspace) == ["cancel", "force-cancel"]
    state, why = await end_of(workspace, run)
    assert state == "cancelled"
    assert why == (
        "GitHub still shows its workflow run as running after Hubbub asked it to cancel the run, "
        "also by force; stop its runner by hand"
    )
    scout = await workspace.agent("scout")
    assert await scout.call("claim_task")
