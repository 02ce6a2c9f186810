"""Workflows with a schedule: one start for each time, none in a burst, a word for each refusal."""

from bot.background import workflow_starts
from bot.workflows.definitions import definition_file, schedules
from tests.support.story import Workspace
from tests.support.workflows import define

DAILY = """
description: Sweep the deck
schedule: "0 6 * * *"
steps:
  - id: sweep
    title: Sweep
    body: Sweep it.
"""
DAY = 24 * 3600


async def schedule(workspace: Workspace, text: str = DAILY) -> None:
    await define(workspace, text)
    found = definition_file.parse(text.encode())
    here = (workspace.installation.id, workspace.repository.id)
    await workspace.store.write(lambda tx: schedules.keep(tx, here, "feature", found))


async def starts(workspace: Workspace) -> int:
    return await workflow_starts.step(workspace.store, workspace.dispatcher.shared)


async def test_a_schedule_starts_one_workflow_when_its_time_comes(workspace: Workspace) -> None:
    await schedule(workspace)
    assert await starts(workspace) == 0
    # Three times pass while Hubbub is away: only the last one starts a workflow.
    await workspace.time_passes(3 * DAY)
    assert [await starts(workspace), await starts(workspace)] == [1, 0]
    (row,) = await workspace.rows(
        "SELECT started_by, state, schedule_slot FROM workflows WHERE installation_id = :i"
    )
    assert (row["started_by"], row["state"]) == ("hubbub[bot]", "running")
    assert row["schedule_slot"] % (DAY * 1_000_000) == 6 * 3600 * 1_000_000
    await workspace.settle()
    titles = [each.title for each in workspace.repository.issues.values()]
    assert len(titles) == 2
    assert titles[0].startswith("Sweep the deck: 20")


async def test_a_schedule_waits_for_the_end_of_its_last_workflow_and_says_so(
    workspace: Workspace,
) -> None:
    await schedule(workspace)
    await workspace.time_passes(DAY)
    assert await starts(workspace) == 1
    await workspace.time_passes(DAY)
    assert await starts(workspace) == 0
    (event,) = await workspace.rows(
        "SELECT data FROM events WHERE installation_id = :i AND kind = 'workflow.not_started'"
    )
    assert "has not ended" in event["data"]


async def test_a_schedule_that_left_the_file_starts_nothing(workspace: Workspace) -> None:
    await schedule(workspace)
    await schedule(workspace, DAILY.replace('schedule: "0 6 * * *"\n', ""))
    await workspace.time_passes(DAY)
    assert await starts(workspace) == 0
