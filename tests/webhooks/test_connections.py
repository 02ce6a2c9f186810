"""Open connections: however many strangers connect, those who are known get in.

On SQLite only: the connections do not reach the database.
"""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.patience import SOON_S
from tests.support.server_in_process import Surface
from tests.support.server_process import signed_headers
from webhooks.listener import CONNECTIONS, MOST, OTHER_FILES, Listener, raise_file_limit

LIMIT = 5
UNFINISHED = b"POST /webhooks/github HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"


@pytest.fixture
def surface(sqlite_surface: Surface) -> Surface:
    return sqlite_surface


@dataclass
class Stranger:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def end(self) -> bytes:
        """What the server sends until it ends the connection."""
        try:
            async with asyncio.timeout(SOON_S):
                return await self.reader.read()
        except ConnectionError:
            return b""


@dataclass
class Port:
    number: int
    strangers: list[Stranger] = field(default_factory=list)

    async def connect(self, sent: bytes = b"") -> Stranger:
        """A client that neither reads nor leaves."""
        stranger = Stranger(*await asyncio.open_connection("127.0.0.1", self.number))
        self.strangers.append(stranger)
        stranger.writer.write(sent)
        return stranger


@asynccontextmanager
async def listening(surface: Surface) -> AsyncIterator[Port]:
    """Another port of the server, with few connections."""
    runner = surface.server.runner
    assert runner is not None
    connections = surface.server.app[CONNECTIONS]
    connections.most = LIMIT
    site = Listener(runner, "127.0.0.1", 0, connections)
    await site.start()
    port = Port(runner.addresses[-1][1])
    yield port
    for each in port.strangers:
        each.writer.transport.abort()
    await site.stop()


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not so():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)


def wait_for_events(token: str) -> bytes:
    body = b'{"topics": ["tasks"], "wait_s": 50}'
    return (
        f"POST /api/v1/wait_for_events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def test_known_callers_get_in_and_stay_however_many_strangers_connect_with_sqlite(
    surface: Surface,
) -> None:
    token = await surface.token()
    await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    async with listening(surface) as port:
        url = f"http://127.0.0.1:{port.number}"
        headers = {"Authorization": f"Bearer {token}"}
        waiting = asyncio.create_task(
            surface.client.post(f"{url}/api/v1/get_messages", json={"wait_s": 50}, headers=headers)
        )
        await until(lambda: surface.dispatcher.waiters.waiting == 1)
        first = [await port.connect(), await port.connect(UNFINISHED)]
        for _ in range(4 * LIMIT):
            await port.connect()
        assert [await each.end() for each in first] == [b"", b""]
        body = b'{"installation": {"id": 1}}'
        async with surface.client.post(
            f"{url}/webhooks/github", data=body, headers=signed_headers("ping", body)
        ) as delivered:
            assert delivered.status == 202
        surface.dispatcher.waiters.stop()
        async with await waiting as answered:
            assert answered.status == 200


async def test_the_agent_with_the_most_calls_gives_way_to_others_with_sqlite(
    surface: Surface,
) -> None:
    ada, bob = [await surface.token(each) for each in ("ada", "bob")]
    async with listening(surface) as port:
        calls = [await port.connect(wait_for_events(each)) for each in (ada, bob)]
        # A connection whose token was not checked yet gives way first.
        await until(lambda: surface.dispatcher.waiters.waiting == len(calls))
        calls += [await port.connect(wait_for_events(ada)) for _ in range(LIMIT)]
        await until(lambda: surface.dispatcher.waiters.waiting >= LIMIT)
        assert await calls[0].end() == b""
        late = await port.connect(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await late.end()).startswith(b"HTTP/1.1 200")
        surface.dispatcher.waiters.stop()
        assert (await calls[1].reader.readline()).startswith(b"HTTP/1.1 200")


async def test_connections_that_ended_make_room_with_sqlite(surface: Surface) -> None:
    async with listening(surface) as port:
        patient = await port.connect(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        for _ in range(2 * LIMIT):
            brief = await port.connect(b"nonsense\r\n\r\n")
            assert await brief.end()
        patient.writer.write(b"Connection: close\r\n\r\n")
        assert (await patient.end()).startswith(b"HTTP/1.1 200")


def test_serve_may_have_as_many_connections_as_the_machine_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, OTHER_FILES + MOST)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OTHER_FILES + 100, hard))
    try:
        assert raise_file_limit() == most - OTHER_FILES
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
