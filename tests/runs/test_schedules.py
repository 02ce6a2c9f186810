"""Templates with a schedule start by Hubbub's clock."""

import asyncio
from datetime import UTC, datetime

import pytest

from bot.background import agent_runs
from bot.background.clock_watch import ClockWatch
from bot.identity.actors import BOT
from bot.repository import schedules
from bot.times import SECOND
from store.engine.database import open_store
from tests.support.agent_runs import FIXER, set_templates, workflow_run
from tests.support.runs_in_time import states
from tests.support.story import Clock, Workspace

# The clock of a workspace begins on Friday, 2027-01-15, at 08:00 UTC.
HOURLY = f'{FIXER}    schedule: "30 * * * *"\n'


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("schedule", "after", "following"),
    [
        ("0 6 * * 1-5", "2026-11-27 06:00", "2026-11-30 06:00"),
        ("0 6 * * 1-5", "2026-11-27 05:59:59", "2026-11-27 06:00"),
        ("*/15 * * * *", "2026-11-30 10:07", "2026-11-30 10:15"),
        # Not in every year.
        ("0 0 29 2 *", "2026-11-30 10:00", "2028-02-29 00:00"),
        # Cron in UTC knows no summer time.
        ("30 2 * * *", "2027-03-28 01:00", "2027-03-28 02:30"),
    ],
)
def test_the_next_time_is_the_first_one_after(schedule: str, after: str, following: str) -> None:
    assert schedules.next_time(schedule, at(after)) == at(following)


@pytest.mark.parametrize(
    ("now", "last"),
    [("2026-11-30 06:00", "2026-11-30 06:00"), ("2026-11-30 05:59", "2026-11-27 06:00")],
)
def test_the_last_time_may_be_this_very_moment(now: str, last: str) -> None:
    assert schedules.last_time("0 6 * * 1-5", at(now)) == at(last)


async def slots(workspace: Workspace) -> list[str]:
    rows = await workspace.rows(
        "SELECT schedule_slot AS at FROM agent_runs WHERE installation_id = :i ORDER BY id"
    )
    times = [datetime.fromtimestamp(row["at"] // SECOND, UTC) for row in rows]
    return [f"{each:%d %H:%M}" for each in times]


async def test_a_template_with_a_schedule_starts_a_run_at_its_time(workspace: Workspace) -> None:
    await set_templates(workspace, HOURLY)
    await workspace.time_passes(1500)
    assert await slots(workspace) == []
    await workspace.time_passes(400)
    assert await slots(workspace) == ["15 08:30"]
    (row,) = await workspace.rows("SELECT * FROM agent_runs WHERE installation_id = :i")
    assert (row["asked_by"], row["state"], row["parent_id"]) == (BOT, "dispatched", None)
    await workspace.time_passes(60)
    assert await slots(workspace) == ["15 08:30"]


async def finish_all(workspace: Workspace) -> None:
    for run in list(workspace.repository.workflow_runs.values()):
        workspace.github.ci.finish_run(run)
    await workspace.settle()


async def test_of_the_times_that_passed_while_hubbub_was_away_the_last_one_starts(
    workspace: Workspace,
) -> None:
    await set_templates(workspace, HOURLY)
    await workspace.time_passes(5 * 3600)
    assert await slots(workspace) == ["15 12:30"]
    await finish_all(workspace)
    await workspace.time_passes(3600)
    assert await slots(workspace) == ["15 12:30", "15 13:30"]


async def test_a_schedule_does_not_start_while_its_last_run_goes_on(workspace: Workspace) -> None:
    await set_templates(workspace, HOURLY)
    await workspace.time_passes(1900)
    (run,) = await workspace.rows("SELECT * FROM agent_runs WHERE installation_id = :i")
    workspace.github.ci.start_run(workflow_run(workspace, run["id"]))
    await workspace.settle()
    await workspace.time_passes(3600)
    assert await slots(workspace) == ["15 08:30"]
    (event,) = await workspace.rows(
        "SELECT data FROM events WHERE installation_id = :i AND kind = 'agent.run_skipped'"
    )
    assert f"its last run {run['id']} has not ended" in event["data"]
    # It does not start late either.
    await finish_all(workspace)
    await workspace.time_passes(60)
    assert await slots(workspace) == ["15 08:30"]
    await workspace.time_passes(3600)
    assert await slots(workspace) == ["15 08:30", "15 10:30"]


async def test_of_several_processes_one_starts_the_run(
    workspace: Workspace, store_url: str, clock: Clock
) -> None:
    await set_templates(workspace, HOURLY)
    workspace.clock.forward(1900)
    stores = [await open_store(store_url, clock) for _ in range(3)]
    await asyncio.gather(
        *(agent_runs.start_scheduled(each, "USD") for each in (workspace.store, *stores))
    )
    for each in stores:
        await each.close()
    assert await slots(workspace) == ["15 08:30"]


async def test_a_changed_schedule_counts_from_the_change(workspace: Workspace) -> None:
    await set_templates(workspace, HOURLY)
    await workspace.time_passes(1000)
    await set_templates(workspace, HOURLY.replace("30 *", "10 *"))
    # 08:10 has passed, and the settings did not name it then.
    await workspace.time_passes(1000)
    assert await slots(workspace) == []
    await set_templates(workspace, FIXER)
    await workspace.time_passes(7200)
    assert await states(workspace) == []


async def test_a_clock_that_was_ahead_does_not_put_off_a_schedule(workspace: Workspace) -> None:
    begun = workspace.clock.at
    workspace.clock.forward(40 * 86_400)
    await set_templates(workspace, HOURLY)
    workspace.clock.at = begun
    await ClockWatch(workspace.store).step()
    await workspace.time_passes(1900)
    assert await slots(workspace) == ["15 08:30"]


async def test_a_schedule_waits_while_the_app_is_suspended(workspace: Workspace) -> None:
    await set_templates(workspace, HOURLY)
    workspace.github.suspend(workspace.installation)
    await workspace.settle()
    await workspace.time_passes(1900)
    assert await states(workspace) == []
    workspace.github.unsuspend(workspace.installation)
    await workspace.settle()
    await workspace.time_passes(3600)
    assert await slots(workspace) == ["15 09:30"]


async def test_a_schedule_waits_while_the_repository_is_archived(workspace: Workspace) -> None:
    """googleapis/repo-automation-bots#1853: GitHub refuses each run, every hour."""
    await set_templates(workspace, HOURLY)
    workspace.person.archive(workspace.repository)
    await workspace.settle()
    await workspace.time_passes(1900)
    assert await states(workspace) == []
    (skipped,) = await workspace.rows(
        "SELECT data FROM events WHERE installation_id = :i AND kind = 'agent.run_skipped'"
    )
    assert "the repository is archived" in skipped["data"]
    workspace.person.unarchive(workspace.repository)
    await workspace.settle()
    await workspace.time_passes(3600)
    assert await slots(workspace) == ["15 09:30"]
