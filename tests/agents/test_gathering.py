"""One call waits for the results of several tasks and agents."""

import asyncio
from typing import Any

from tests.support.agent_runs import begin, set_templates, spawn, workflow_run
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


async def claimed(workspace: Workspace, agent: Agent, title: str = "Mend it") -> dict[str, Any]:
    """A task that the agent holds, with its fence."""
    name = workspace.name(await workspace.task(title))
    return {"task": name, "fence": (await agent.call("claim_task", task=name))["fence"]}


async def test_it_returns_what_is_done_and_what_is_missing(workspace: Workspace) -> None:
    lead, ada = await workspace.agent("lead", "tech-lead"), await workspace.agent("ada")
    done, failed, open_ = [await claimed(workspace, ada) for _ in range(3)]
    free = workspace.name(await workspace.task())
    await ada.call("update_task_status", **done, status="completed", result="It runs.")
    await ada.call("update_task_status", **failed, status="failed", note="No tools")
    await ada.call("update_task_status", **open_, status="in_progress", progress=40)
    names = [each["task"] for each in (done, failed, open_)]
    found = await lead.call("gather_results", tasks=[*names, free, names[0]])
    assert found["done"] == [
        {"task": names[0], "agent": "ada", "state": "completed", "result": "It runs."},
        {"task": names[1], "agent": "ada", "state": "failed", "why": "No tools"},
    ]
    assert found["missing"] == [
        {"task": names[2], "state": "in_progress", "holder": "ada", "progress": 40},
        {"task": free, "state": "pending"},
    ]
    assert found["complete"] is False
    assert (await lead.call("gather_results", tasks=names, at_least=2))["complete"] is True


async def test_the_last_end_wakes_who_waits_for_all(workspace: Workspace) -> None:
    lead, ada = await workspace.agent("lead", "tech-lead"), await workspace.agent("ada")
    one, two = [await claimed(workspace, ada) for _ in range(2)]
    names = [one["task"], two["task"]]
    everything = asyncio.create_task(lead.call("gather_results", tasks=names, wait_s=50))
    first = asyncio.create_task(lead.call("gather_results", tasks=names, wait_s=50, at_least=1))
    await asyncio.sleep(0)
    await ada.call("update_task_status", **one, status="completed", result="One")
    found = await first
    assert ([each["task"] for each in found["done"]], found["complete"]) == (names[:1], True)
    assert not everything.done()
    await ada.call("update_task_status", **two, status="completed", result="Two")
    assert [each["result"] for each in (await everything)["done"]] == ["One", "Two"]


@ON_SQLITE
async def test_at_the_end_of_the_wait_it_returns_what_there_is(workspace: Workspace) -> None:
    lead, ada = await workspace.agent("lead", "tech-lead"), await workspace.agent("ada")
    held = await claimed(workspace, ada)
    found = await lead.call("gather_results", tasks=[held["task"]], wait_s=0.01)
    assert (found["done"], found["missing"][0]["holder"]) == ([], "ada")
    assert found["complete"] is False


async def test_runs_and_agents_are_gathered_too(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead, ada = await workspace.agent("lead", "tech-lead"), await workspace.agent("ada")
    held = await claimed(workspace, ada)
    run = await spawn(lead, repository="acme/rocket", prompt="Go on")
    worker = await begin(workspace, run)
    asked = {"runs": [run["run_id"]], "agents": ["ada", run["agent_id"]]}
    found = await lead.call("gather_results", **asked)
    assert found["missing"] == [
        {"agent": "ada", "state": "active", "holds": [held["task"]]},
        {"run": run["run_id"], "agent": run["agent_id"], "state": "running"},
    ]
    await worker.call("update_agent", result="Half of it")
    await worker.call("update_agent", result="All of it", outcome="success")
    await ada.call("release_task", **held)
    found = await lead.call("gather_results", **asked)
    assert found["done"] == [
        {"agent": "ada", "state": "without a task"},
        {
            "run": run["run_id"],
            "agent": run["agent_id"],
            "state": "running",
            "outcome": "success",
            "result": "All of it",
        },
    ]
    workspace.github.ci.finish_run(workflow_run(workspace, run["run_id"]), "success")
    await workspace.settle()
    assert (await lead.call("gather_results", **asked))["done"][1]["state"] == "succeeded"


@ON_SQLITE
async def test_a_wrong_question_is_refused(workspace: Workspace) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    name = workspace.name(await workspace.task())
    for given, code in (
        ({}, "invalid_arguments"),
        ({"tasks": [name], "at_least": 2}, "invalid_arguments"),
        ({"tasks": [name] * 30, "agents": ["lead"] * 30}, "invalid_arguments"),
        ({"tasks": [name, "acme/rocket#99"]}, "unknown_task"),
        ({"runs": ["r_none"]}, "unknown_run"),
        ({"agents": ["nobody"]}, "unknown_agent"),
    ):
        assert (await lead.refusal("gather_results", **given)).code == code


@ON_SQLITE
async def test_long_results_are_cut(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    held = await claimed(workspace, ada)
    await ada.call("update_task_status", **held, status="completed", result="long " * 1000)
    (found,) = (await ada.call("gather_results", tasks=[held["task"]]))["done"]
    assert len(found["result"]) == 1000
