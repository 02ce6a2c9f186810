"""Bodies of requests: what a stranger sends can neither stop nor fill the server.

On SQLite only: the bodies do not reach the database.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import pytest

from tests.support.server_in_process import Surface

MANY = 2**20


@pytest.fixture
def surface(sqlite_surface: Surface) -> Surface:
    return sqlite_surface


@cache
def bomb(window: int) -> bytes:
    """A megabyte that would become a gigabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    return b"".join(packer.compress(bytes(MANY)) for _ in range(64)) + packer.flush()


@pytest.mark.parametrize("path", ["/webhooks/github", "/api/v1/list_tasks", "/mcp", "/nowhere"])
@pytest.mark.parametrize(("encoding", "window"), [("gzip", 31), ("deflate", 15)])
async def test_a_compressed_body_is_refused_unopened_with_sqlite(
    surface: Surface, path: str, encoding: str, window: int
) -> None:
    body = bomb(window)
    before = time.process_time()
    answer = await surface.send("POST", path, data=body, headers={"Content-Encoding": encoding})
    assert (answer.status, answer.code) == (415, "compressed_body")
    assert answer.headers["Accept-Encoding"] == "identity"
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize("encoding", ["br", "zstd", "identity, gzip", "what"])
async def test_every_encoding_is_refused_with_sqlite(surface: Surface, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    assert (await surface.send("POST", "/mcp", data=b"{}", headers=headers)).status == 415


async def test_a_body_that_says_it_is_not_encoded_is_taken_with_sqlite(surface: Surface) -> None:
    assert (await surface.deliver({}, Content_Encoding="identity")).status == 202


@pytest.mark.parametrize("path", ["/webhooks/github", "/api/v1/list_agents", "/mcp"])
async def test_a_body_that_never_ends_is_refused_in_time_with_sqlite(
    surface: Surface, path: str
) -> None:
    surface.bodies.seconds = 0.2
    headers = {"Authorization": f"Bearer {await surface.token()}", "Content-Length": "1000"}
    answered = asyncio.Event()

    async def begin() -> AsyncIterator[bytes]:
        yield b"{"
        await answered.wait()

    answer = await surface.send("POST", path, data=begin(), headers=headers)
    answered.set()
    assert (answer.status, answer.code) == (408, "request_timeout")


async def test_large_bodies_of_strangers_give_way_to_a_delivery_with_sqlite(
    surface: Surface,
) -> None:
    surface.bodies.most_unsigned = 3 * MANY
    received, end = asyncio.Semaphore(0), asyncio.Event()

    async def large() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield bytes(MANY // 4)
        received.release()
        await end.wait()
        yield b"the end"

    strangers = [
        asyncio.create_task(surface.send("POST", "/webhooks/github", data=large()))
        for _ in range(4)
    ]
    for _ in strangers:
        await received.acquire()
    assert (await surface.deliver({"zen": "x" * 1000})).status == 202
    end.set()
    answers = sorted(answer.status for answer in await asyncio.gather(*strangers))
    assert answers[-1] == 503
    assert set(answers) == {401, 503}
    # Nothing of them counts any more.
    surface.bodies.most_unsigned = 2000
    for _ in range(3):
        assert (await surface.deliver({"zen": "x" * 1000})).status == 202


@pytest.mark.parametrize(("headers", "status"), [(40, 202), (80, 400)])
async def test_only_so_many_headers_are_taken_with_sqlite(
    surface: Surface, headers: int, status: int
) -> None:
    given: dict[str, Any] = {f"X_Given_{n}": "x" * 1000 for n in range(headers)}
    assert (await surface.deliver({"installation": {"id": 1}}, **given)).status == status


@pytest.mark.parametrize(("length", "status"), [(3000, 202), (5000, 400)])
async def test_no_longer_header_is_taken_with_sqlite(
    surface: Surface, length: int, status: int
) -> None:
    delivered = await surface.deliver({"installation": {"id": 1}}, Cookie="x" * length)
    assert delivered.status == status
