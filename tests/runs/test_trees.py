"""Trees of runs: what the end, the time and the spend of one mean for those above and below it."""

import pytest

from store.tables.runs import AgentRunRow
from tests.support.agent_runs import FIXER, begin, set_templates, spawn, stored_runs, workflow_run
from tests.support.runs_in_time import run_of
from tests.support.story import Agent, Workspace

LIMITS = f"{FIXER}    limits: {{tokens: 1000, minutes: 60, children: 9, depth: 3, cost: 2}}\n"
ROOM = LIMITS.replace("templates:", "runs: {parallel: 20}\ntemplates:")


WORK = {"repository": "acme/rocket", "prompt": "Work"}


async def three_levels(workspace: Workspace) -> list[Agent]:
    """A run, its child, and the child of that, all at work."""
    await set_templates(workspace, ROOM)
    found = [await workspace.agent("lead", "tech-lead")]
    for _ in range(3):
        run = await spawn(found[-1], **WORK)
        found.append(await begin(workspace, run))
    return found[1:]


async def states(workspace: Workspace) -> list[str]:
    return [state for (state,) in await stored_runs(workspace, "state")]


async def end_root(workspace: Workspace, conclusion: str) -> None:
    ((root,),) = (await stored_runs(workspace, "id"))[:1]
    workspace.github.ci.finish_run(workflow_run(workspace, root), conclusion)
    await workspace.settle()


@pytest.mark.parametrize(
    ("conclusion", "states_then"),
    [
        ("success", ["succeeded", "running", "running"]),
        ("failure", ["failed", "stopping", "stopping"]),
        ("cancelled", ["cancelled", "stopping", "stopping"]),
    ],
)
async def test_runs_below_go_on_after_a_success_alone(
    workspace: Workspace, conclusion: str, states_then: list[str]
) -> None:
    await three_levels(workspace)
    await end_root(workspace, conclusion)
    assert await states(workspace) == states_then


async def test_what_runs_below_used_counts_for_those_above(workspace: Workspace) -> None:
    root, child, leaf = await three_levels(workspace)
    await leaf.call("report_usage", model="m", input_tokens=400, output_tokens=100)
    await root.call("report_usage", model="m", input_tokens=400)
    await child.call("report_usage", model="m", output_tokens=100)
    assert await states(workspace) == ["running"] * 3
    # At the limit nothing more starts.
    refused = await child.refusal("spawn_agent", template="fixer", **WORK)
    assert refused.code == "run_limit"
    await leaf.call("report_usage", model="m", input_tokens=1)
    assert await states(workspace) == ["stopping"] * 3
    ((root_id, why), *_) = await stored_runs(workspace, "id", "why")
    assert why == f"{root_id} and the runs below it used more than its 1000 tokens"


async def test_a_limit_of_a_run_in_the_middle_stops_it_and_those_below_it(
    workspace: Workspace,
) -> None:
    await set_templates(workspace, ROOM)
    lead = await workspace.agent("lead", "tech-lead")
    root = await begin(workspace, await spawn(lead, **WORK))
    child = await begin(workspace, await spawn(root, **WORK, cost="0.50"))
    leaf = await begin(workspace, await spawn(child, **WORK))
    await leaf.call("report_usage", model="m", cost="0.50")
    assert await states(workspace) == ["running"] * 3
    await leaf.call("report_usage", model="m", cost="0.01")
    assert await states(workspace) == ["running", "stopping", "stopping"]


async def test_the_agent_reads_why_it_is_to_stop(workspace: Workspace) -> None:
    root, *_ = await three_levels(workspace)
    await root.call("report_usage", model="m", input_tokens=2000)
    (notice,) = (await root.call("list_tasks"))["notices"]
    assert notice["kind"] == "run_stopping"
    assert "used more than its 1000 tokens" in notice["message"]


async def test_the_time_of_a_run_ends_those_below_it_too(workspace: Workspace) -> None:
    """A child that began later has at most the time that is left of its parent."""
    await three_levels(workspace)
    for seconds in (3601, 125, 5):
        await workspace.time_passes(seconds)
    assert await states(workspace) == ["cancelled"] * 3
    ended = [each.conclusion for each in workspace.repository.workflow_runs.values()]
    assert ended == ["cancelled"] * 3


async def test_a_run_that_starts_again_on_github_does_not_come_back(workspace: Workspace) -> None:
    await three_levels(workspace)
    ((root_id,), *_) = await stored_runs(workspace, "id")
    root = workflow_run(workspace, root_id)
    workspace.github.hold_deliveries()
    workspace.github.ci.finish_run(root, "failure")
    # The end of the first attempt is lost.
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    workspace.github.ci.rerun(root)
    workspace.github.ci.start_run(root)
    await workspace.settle()
    run: AgentRunRow = await run_of(workspace, {"id": root_id})  # type: ignore[typeddict-item]
    assert (run["state"], run["why"]) == ("failed", "its workflow run was started again")
    workspace.github.ci.finish_run(root)
    await workspace.settle()
    assert (await states(workspace))[0] == "failed"
