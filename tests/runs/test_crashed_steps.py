"""A process that dies between two steps of a run leaves nothing stuck and does nothing twice."""

import asyncio
from contextlib import suppress

import pytest

from bot.background import agent_runs
from store.engine.database import open_store
from tests.support.agent_runs import FIXER, set_templates, stored_runs, workflow_run
from tests.support.crash_points import Crash, CrashingStore, CrashPlan
from tests.support.runs_in_time import queue, spawn
from tests.support.story import Clock, Workspace

ONE = f"runs: {{parallel: 1}}\n{FIXER}    limits: {{minutes: 10}}\n"


async def die(workspace: Workspace, after: int) -> None:
    """One step of the loop in a process that dies after so many transactions."""
    store = CrashingStore(CrashPlan(after), workspace.store)
    with suppress(Crash):
        await agent_runs.step(store, "USD")


async def cancels(workspace: Workspace) -> list[str]:
    sent = [each.path for each in workspace.github.requests if each.method == "POST"]
    return [each.rpartition("/")[2] for each in sent if each.endswith("cancel")]


@pytest.mark.parametrize("after", [1, 2, 3])
async def test_a_run_beyond_its_time_is_cancelled_once_although_each_step_dies(
    workspace: Workspace, after: int
) -> None:
    await set_templates(workspace, ONE)
    run = await spawn(workspace)
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    await workspace.settle()
    for seconds in (601, 31, 121, 31, 31):
        workspace.clock.forward(seconds)
        await die(workspace, after)
        await workspace.settle()
        # Another process goes on, after the time for which the first one had taken the run.
        await workspace.time_passes(31)
    assert await cancels(workspace) == ["cancel"]
    assert await stored_runs(workspace, "state") == [("cancelled",)]


@pytest.mark.parametrize("after", [1, 2])
async def test_a_place_is_given_once_although_the_process_dies(
    workspace: Workspace, after: int
) -> None:
    await set_templates(workspace, ONE)
    for _ in range(3):
        await queue(workspace)
    await set_templates(workspace, ONE.replace("parallel: 1", "parallel: 2"))
    await die(workspace, after)
    await agent_runs.step(workspace.store, "USD")
    await workspace.settle()
    assert await stored_runs(workspace, "state") == [("dispatched",), ("dispatched",), ("queued",)]
    assert len(workspace.repository.workflow_runs) == 2


async def test_of_several_processes_one_takes_the_next_step(
    workspace: Workspace, store_url: str, clock: Clock
) -> None:
    await set_templates(workspace, ONE)
    run = await spawn(workspace)
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    await workspace.settle()
    await workspace.time_passes(601)
    workspace.clock.forward(121)
    stores = [await open_store(store_url, clock) for _ in range(3)]
    await asyncio.gather(*(agent_runs.step(each, "USD") for each in (workspace.store, *stores)))
    for each in stores:
        await each.close()
    await workspace.settle()
    assert await cancels(workspace) == ["cancel"]
