"""Webhooks of a run in any order, twice, or not at all end in the same state."""

import random

import pytest

from tests.support.agent_runs import set_templates, stored_runs, workflow_run
from tests.support.runs_in_time import spawn
from tests.support.story import Workspace


async def live_through(workspace: Workspace, conclusion: str) -> None:
    """A run for a task, whose webhooks are all held back."""
    await set_templates(workspace)
    run = await spawn(workspace, await workspace.task())
    workspace.github.hold_deliveries()
    started = workspace.github.ci.start_run
    started(workflow_run(workspace, run["id"]))
    workspace.clock.forward(60)
    workspace.github.ci.finish_run(workflow_run(workspace, run["id"]), conclusion)


async def outcome(workspace: Workspace) -> tuple[object, ...]:
    (run,) = await stored_runs(workspace, "state", "why", "due_at")
    (task,) = await workspace.rows(
        "SELECT state, holder, assigned_to FROM tasks WHERE installation_id = :i"
    )
    return (*run, *task.values())


FREE = (None, "pending", None, None)
ENDS = {
    "success": ("succeeded", None, *FREE),
    "failure": ("failed", "its workflow run ended with failure", *FREE),
    "cancelled": ("cancelled", "its workflow run was cancelled on GitHub", *FREE),
}


@pytest.mark.parametrize("conclusion", ["success", "failure", "cancelled"])
@pytest.mark.parametrize("seed", range(2))
async def test_shuffled_and_repeated_webhooks_end_a_run_alike(
    workspace: Workspace, conclusion: str, seed: int
) -> None:
    await live_through(workspace, conclusion)
    dice, held = random.Random(seed), list(workspace.github.held_deliveries)  # noqa: S311 a test's dice
    for each in dice.sample(held * 2, len(held) * 2):
        await workspace.github.post(each)
        if dice.random() < 0.5:
            await workspace.process_delivery()
    workspace.github.held_deliveries.clear()
    await workspace.settle()
    assert await outcome(workspace) == ENDS[conclusion]


@pytest.mark.parametrize("conclusion", ["success", "failure", "cancelled"])
async def test_lost_webhooks_end_a_run_alike(workspace: Workspace, conclusion: str) -> None:
    await live_through(workspace, conclusion)
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    await workspace.settle()
    for seconds in (901, 31, 31):
        await workspace.time_passes(seconds)
    assert await outcome(workspace) == ENDS[conclusion]
