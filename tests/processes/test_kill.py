"""kill -9 at any moment loses nothing that was acknowledged."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.server_process import post, rows, serving, wait_until_processed

DELIVERIES = 600
ABREAST = 20


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """On a disk, as in production; the files of other tests are in memory."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def comment(n: int) -> bytes:
    person = {"login": "octocat", "id": 1, "type": "User"}
    at = "2026-01-01T00:00:00Z"
    issue = {
        "id": 7,
        "number": 7,
        "title": "One",
        "user": person,
        "created_at": at,
        "updated_at": at,
        "state": "open",
    }
    return json.dumps(
        {
            "action": "created",
            "installation": {"id": 4242},
            "repository": {"id": 5, "full_name": "acme/rocket", "owner": person, "updated_at": at},
            "sender": person,
            "issue": issue,
            "comment": {
                "id": 1000 + n,
                "body": f"comment {n}",
                "user": person,
                "created_at": at,
                "updated_at": at,
            },
        }
    ).encode()


async def test_every_acknowledged_delivery_survives_a_kill(own_url: str, tmp_path: Path) -> None:
    acknowledged: set[int] = set()
    waiting = iter(range(DELIVERIES))

    async with serving(tmp_path, own_url) as server, aiohttp.ClientSession() as session:

        async def send() -> None:
            for n in waiting:
                try:
                    status = await post(session, server.url, "issue_comment", comment(n))
                except aiohttp.ClientError:
                    return
                assert status == 202
                acknowledged.add(n)
                if len(acknowledged) == DELIVERIES // 3:
                    server.kill()

        await asyncio.gather(*(send() for _ in range(ABREAST)))
        await server.process.wait()
    assert DELIVERIES // 3 <= len(acknowledged) < DELIVERIES

    async with serving(tmp_path, own_url):
        await wait_until_processed(own_url)
    mirrored = {row["id"] - 1000 for row in await rows(own_url, "SELECT id FROM comments")}
    assert acknowledged <= mirrored
