"""`hubbub serve --processes`: several processes on one port. They need a server as database.

So these tests run on MySQL alone, except those that say why not.
"""

import asyncio
import secrets
import signal
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from store.engine.migrate import upgrade
from tests.support import server_process
from tests.support.command_line import hubbub
from tests.support.server_process import (
    Serving,
    hubbub_process,
    rows,
    serving,
    settings,
)

INSTALLATION = 42
# One server ends within this time, whatever its clients do: see test_processes.py.
STOP_S = 19
START_S = 60
# Between two deliveries of a sender, so that the new process can start meanwhile.
PACE_S = 0.1
TWO: dict[str, Any] = {"HUBBUB_PROCESSES": "2"}


def children(server: Serving) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


async def until(server: Serving, count: int, without: int = 0) -> list[psutil.Process]:
    """The children, when that many serve and `without` is none of them."""
    async with asyncio.timeout(START_S):
        while True:
            found = [each for each in children(server) if each.pid != without and serves(each)]
            if len(found) == count:
                return found
            await asyncio.sleep(0.1)


def serves(process: psutil.Process) -> bool:
    """Whether it has connections to the database, which a process opens before it listens."""
    try:
        return any(each.status == psutil.CONN_ESTABLISHED for each in process.net_connections())
    except psutil.Error:
        return False


def has_files(folder: Path) -> bool:
    return any(folder.glob("*"))


async def ended(processes: list[psutil.Process]) -> None:
    async with asyncio.timeout(STOP_S):
        while any(each.is_running() for each in processes):  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.1)


async def post(url: str, token: str, operation: str, **given: Any) -> dict[str, Any]:
    """By a connection of its own, which any of the processes may accept."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/api/v1/{operation}", json=given) as response,
    ):
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


async def deliver(url: str, over: asyncio.Event) -> list[str]:
    """Send deliveries, each by a connection of its own. Return the ids of the acknowledged ones."""
    acknowledged = []
    while not over.is_set():
        guid = secrets.token_hex(16)
        try:
            async with aiohttp.ClientSession() as session:
                status = await server_process.post(session, url, "ping", b'{"zen": "x"}', guid)
        except aiohttp.ClientConnectorError:
            raise  # nobody has the port open
        except aiohttp.ClientConnectionError:
            continue  # of the process that was killed
        assert status == 202
        acknowledged.append(guid)
        await asyncio.sleep(PACE_S)
    return acknowledged


async def test_a_killed_process_loses_no_acknowledged_delivery_and_all_end_when_told_on_mysql(
    migrated_mysql_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, migrated_mysql_url, **TWO) as server:
        victim = (await until(server, 2))[0]
        over = asyncio.Event()
        senders = [asyncio.create_task(deliver(server.url, over)) for _ in range(4)]
        victim.kill()
        both = await until(server, 2, without=victim.pid)
        over.set()
        acknowledged = {guid for found in await asyncio.gather(*senders) for guid in found}
        async with asyncio.timeout(STOP_S):
            assert await server.stop() == 0
        assert not [each for each in both if each.is_running()]
    stored = await rows(migrated_mysql_url, "SELECT guid FROM deliveries")
    assert acknowledged
    assert acknowledged <= {row["guid"] for row in stored}
    assert server.log.read_text().count("process ended, started again") == 1


async def test_metrics_are_sums_of_all_processes_and_none_outlives_a_killed_parent_on_mysql(
    migrated_mysql_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, migrated_mysql_url, **TWO) as server:
        token = await server.token(INSTALLATION, "ada")
        (first, second) = await until(server, 2)
        for paused, other in ((first, second), (second, first)):
            paused.suspend()
            await post(server.url, token, "list_agents")
            paused.resume()
            assert other.is_running()
        folder = Path(first.environ()["PROMETHEUS_MULTIPROC_DIR"])
        # As of a process that was killed while it began its file.
        (folder / "counter_0.db").touch()
        for _ in range(4):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{server.url}/metrics") as response,
            ):
                text = await response.text()
            line = 'hubbub_operation_seconds_count{code="ok",operation="list_agents"} 2.0'
            assert line in text
        assert has_files(folder)
        # As on a full disk. A process without the folder is not killed again.
        second.send_signal(signal.SIGBUS)
        (third,) = {*await until(server, 2, without=second.pid)} - {first}
        assert "PROMETHEUS_MULTIPROC_DIR" not in third.environ()
        server.kill()
        await ended([first, third])
        assert not has_files(folder)


async def test_a_server_of_several_processes_that_cannot_start_says_why_once(
    tmp_path: Path,
) -> None:
    """Without a database, so this needs no engine."""
    given = settings("mysql://root@127.0.0.1:9/hubbub")
    code, out, err = await hubbub_process("serve", "--processes", "2", folder=tmp_path, **given)
    assert (code, out, err.count("127.0.0.1:9")) == (2, "", 1)


async def test_a_sqlite_file_is_for_one_process_on_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hubbub.db'}"
    upgrade(url)
    code, out, err = await hubbub("serve", "--processes", "2", folder=tmp_path, **settings(url))
    assert (code, out) == (2, "")
    assert "a SQLite file is for one process" in err


@pytest.mark.parametrize("wrong", ["0", "65"])
async def test_a_wrong_number_of_processes_is_named(tmp_path: Path, wrong: str) -> None:
    given = settings(f"sqlite:///{tmp_path / 'hubbub.db'}") | {"HUBBUB_PROCESSES": wrong}
    code, _, err = await hubbub("serve", folder=tmp_path, **given)
    assert (code, "HUBBUB_PROCESSES: must be at " in err) == (2, True)
