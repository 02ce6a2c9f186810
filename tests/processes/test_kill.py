"""kill -9 at any moment loses nothing that was acknowledged."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from bot.github import webhook_payloads
from store.engine.database import open_store
from store.inbox import deliveries
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


ISSUES = 300


def task_issue(n: int) -> bytes:
    """An issue with the task label, so that an event tells of it."""
    payload = json.loads(comment(0))
    issue = payload["issue"] | {"id": 7000 + n, "number": n, "title": f"Mend {n}"}
    issue["labels"] = [{"id": 1, "name": "agent-task"}]
    opened = {key: value for key, value in payload.items() if key != "comment"}
    return json.dumps(opened | {"action": "opened", "issue": issue}).encode()


async def fill_inbox(url: str) -> None:
    store = await open_store(url)
    arrived = [
        webhook_payloads.delivery(f"guid-{n}", "issues", body, json.loads(body))
        for n, body in ((n, task_issue(n)) for n in range(1, ISSUES + 1))
    ]
    await store.write(partial(deliveries.receive, arrived=arrived))
    await store.close()


async def wait_until_some_are_processed(url: str) -> int:
    q = "SELECT COUNT(*) AS n FROM deliveries WHERE state = 'processed'"
    # One connection for all looks: all would be processed before the second look of a slow one.
    store = await open_store(url)
    async with asyncio.timeout(60):
        while not (done := (await store.read(lambda tx: tx.one(q)) or {"n": 0})["n"]):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.001)
    await store.close()
    return int(done)


async def test_a_kill_among_batches_loses_and_doubles_nothing(own_url: str, tmp_path: Path) -> None:
    await fill_inbox(own_url)
    async with serving(tmp_path, own_url) as server:
        done = await wait_until_some_are_processed(own_url)
        server.kill()
        await server.process.wait()
    assert done < ISSUES

    async with serving(tmp_path, own_url):
        await wait_until_processed(own_url)
    states = await rows(own_url, "SELECT state, outcome, attempts FROM deliveries")
    assert states == [{"state": "processed", "outcome": "mirrored", "attempts": 0}] * ISSUES
    numbers = await rows(own_url, "SELECT number FROM tasks ORDER BY number")
    assert [row["number"] for row in numbers] == list(range(1, ISSUES + 1))
    created = await rows(
        own_url,
        "SELECT subject, COUNT(*) AS n FROM events WHERE kind = 'task.created' GROUP BY subject",
    )
    assert [row["n"] for row in created] == [1] * ISSUES
