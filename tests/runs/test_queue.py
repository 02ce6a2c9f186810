"""The queue of runs: whose turn is next, and that no place is given twice."""

import asyncio

from bot.background import agent_runs
from store.engine.database import open_store
from tests.support.agent_runs import FIXER, set_templates, workflow_run
from tests.support.runs_in_time import queue, run_of, spawn, states
from tests.support.story import Clock, Workspace

ONE = f"runs: {{parallel: 1}}\n{FIXER}"


async def test_a_run_that_ends_gives_its_place_to_the_next_one_at_once(
    workspace: Workspace,
) -> None:
    await set_templates(workspace, ONE)
    first, second = await spawn(workspace), await spawn(workspace)
    assert await states(workspace) == ["dispatched", "queued"]
    workspace.github.ci.finish_run(workflow_run(workspace, first["id"]))
    await workspace.settle()
    assert await states(workspace) == ["succeeded", "dispatched"]
    assert workflow_run(workspace, second["id"]).inputs["hubbub_run"] == second["id"]


async def test_high_priority_goes_first_and_then_the_oldest(workspace: Workspace) -> None:
    await set_templates(workspace, ONE)
    live = await spawn(workspace)
    waiting = [await spawn(workspace, priority=each) for each in ("low", "high", "medium", "high")]
    order = []
    for _ in waiting:
        workspace.github.ci.finish_run(workflow_run(workspace, live["id"]))
        await workspace.settle()
        (live,) = [
            each
            for each in [await run_of(workspace, each) for each in waiting]
            if each["state"] == "dispatched"
        ]
        order.append([each["id"] for each in waiting].index(live["id"]))
    assert order == [1, 3, 2, 0]


async def test_a_full_template_does_not_hold_up_the_others(workspace: Workspace) -> None:
    both = f"{FIXER}    limits: {{parallel: 1}}\n  docs:\n    workflow: agent.yml\n"
    await set_templates(workspace, both)
    for template in ("fixer", "fixer", "docs"):
        await spawn(workspace, template=template)
    assert await states(workspace) == ["dispatched", "queued", "dispatched"]


async def test_more_places_in_the_settings_are_used(workspace: Workspace) -> None:
    await set_templates(workspace, ONE)
    for _ in range(3):
        await spawn(workspace)
    await set_templates(workspace, ONE.replace("parallel: 1", "parallel: 2"))
    await workspace.time_passes(5)
    assert await states(workspace) == ["dispatched", "dispatched", "queued"]


async def test_a_run_waits_while_a_person_holds_its_task(workspace: Workspace) -> None:
    await set_templates(workspace, ONE)
    first, issue = await spawn(workspace), await workspace.task()
    await spawn(workspace, issue)
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    workspace.github.ci.finish_run(workflow_run(workspace, first["id"]))
    await workspace.settle()
    assert await states(workspace) == ["succeeded", "queued"]
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    await workspace.time_passes(5)
    assert await states(workspace) == ["succeeded", "dispatched"]


async def test_a_run_whose_task_is_done_is_not_started(workspace: Workspace) -> None:
    await set_templates(workspace, ONE)
    first, issue = await spawn(workspace), await workspace.task()
    second = await spawn(workspace, issue)
    workspace.person.close(issue)
    await workspace.settle()
    workspace.github.ci.finish_run(workflow_run(workspace, first["id"]))
    await workspace.settle()
    second = await run_of(workspace, second)
    assert (second["state"], second["why"]) == ("cancelled", "its task is completed")


async def test_a_run_that_waited_starts_on_the_default_branch_of_now(
    workspace: Workspace,
) -> None:
    """IstiN/dmtools-agents#322: GitHub answers `No ref found for: main`."""
    await set_templates(workspace, ONE)
    await spawn(workspace)
    second = await spawn(workspace)
    here = workspace.repository
    workspace.person.push(here, "trunk", {"a.py": "1\n"}, base="main")
    workspace.person.set_default_branch(here, "trunk")
    workspace.person.delete_branch(here, "main")
    await workspace.settle()
    await set_ended(workspace)
    await workspace.time_passes(5)
    assert await states(workspace) == ["cancelled", "dispatched"]
    assert (await run_of(workspace, second))["ref"] == "trunk"


async def test_nothing_starts_while_the_app_has_no_access(workspace: Workspace) -> None:
    await set_templates(workspace, ONE)
    await spawn(workspace)
    await spawn(workspace)
    workspace.github.suspend(workspace.installation)
    await workspace.settle()
    await set_ended(workspace)
    await workspace.time_passes(5)
    assert await states(workspace) == ["cancelled", "queued"]
    workspace.github.unsuspend(workspace.installation)
    await workspace.settle()
    await workspace.time_passes(5)
    assert await states(workspace) == ["cancelled", "dispatched"]


async def set_ended(workspace: Workspace) -> None:
    """As the end of a live run, without the transaction that gives its place to another."""
    await workspace.store.write(
        lambda tx: tx.run(
            "UPDATE agent_runs SET state = 'cancelled' WHERE installation_id = :i "
            "AND state = 'dispatched'",
            i=workspace.installation.id,
        )
    )


async def test_several_processes_give_each_place_once(
    workspace: Workspace, store_url: str, clock: Clock
) -> None:
    await set_templates(workspace, ONE.replace("parallel: 1", "parallel: 3"))
    for _ in range(8):
        await queue(workspace)
    await set_ended(workspace)
    stores = [await open_store(store_url, clock) for _ in range(3)]
    await asyncio.gather(*(agent_runs.promote(each) for each in (workspace.store, *stores)))
    for each in stores:
        await each.close()
    assert sorted(await states(workspace)) == [
        *["cancelled"] * 3,
        *["dispatched"] * 3,
        *["queued"] * 2,
    ]
    writes = await workspace.rows(
        "SELECT id FROM writes WHERE installation_id = :i AND kind = 'workflow_dispatch'"
    )
    assert len(writes) == 6
