"""Loops that end are started again, and the process says so."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bot.background.supervision import Supervisor
from tests.support.patience import SOON_S
from tests.support.server_in_process import Surface
from tests.support.server_process import post, rows, serving, wait_until_processed


async def _until(event: asyncio.Event) -> None:
    async with asyncio.timeout(SOON_S):
        await event.wait()


@pytest.mark.parametrize("end", [asyncio.CancelledError(), OSError("disk full"), None])
async def test_a_loop_that_ends_is_started_again_and_reported(end: BaseException | None) -> None:
    starts: list[int] = []
    again = asyncio.Event()

    async def work() -> None:
        starts.append(1)
        if len(starts) == 1:
            if end:
                raise end
            return
        again.set()
        await asyncio.Event().wait()

    supervisor = Supervisor({})
    supervisor.start("worker", work)
    await _until(again)
    assert supervisor.failing.keys() == {"worker"}
    assert not supervisor.given_up
    supervisor.stop()
    supervisor.tasks["worker"].cancel()


async def test_a_loop_that_ends_again_and_again_is_given_up_and_the_process_is_not_alive(
    surface: Surface,
) -> None:
    starts: list[int] = []
    # One of several processes ends then, and its parent starts another one.
    ends = asyncio.Event()

    async def work() -> None:
        starts.append(1)
        raise ZeroDivisionError

    supervisor = Supervisor({}, pauses_s=(0, 0), given_up=surface.dead, when_given_up=ends.set)
    supervisor.start("worker", work)
    await _until(ends)
    assert len(starts) == 3
    answer = await surface.send("GET", "/healthz")
    assert answer.status == 503
    assert answer.data == {
        "status": "dead",
        "problems": {"worker": "the loop ended: ZeroDivisionError()"},
    }


async def test_a_loop_that_was_told_to_stop_stays_stopped() -> None:
    async def work() -> None:
        return

    supervisor = Supervisor({})
    supervisor.start("worker", work)
    supervisor.stop()
    await supervisor.tasks["worker"]
    await asyncio.sleep(0)
    assert not supervisor.failing


async def test_a_server_whose_log_is_on_a_full_disk_works_on_with_sqlite(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with (
        serving(tmp_path, sqlite_url, log="/dev/full") as server,
        aiohttp.ClientSession() as session,
    ):
        # The worker logs that this is not what GitHub sends.
        assert await post(session, server.url, "issues", b'{"action": 7, "issue": 3}') == 202
        await wait_until_processed(sqlite_url)
        assert await post(session, server.url, "ping", b'{"zen": "Keep it simple"}') == 202
        await wait_until_processed(sqlite_url)
        states = await rows(sqlite_url, "SELECT event, state FROM deliveries ORDER BY received_at")
        assert [each["state"] for each in states] == ["processed", "processed"]
        async with session.get(f"{server.url}/readyz") as response:
            assert (await response.json())["problems"].keys() <= {"github"}
