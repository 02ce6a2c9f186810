"""GitHub's recorded payloads, signed and posted to a running server."""

import asyncio
import json
import random
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest

from bot.mirror.webhooks import EVENTS
from store.engine.database import open_store
from store.mirror import mirror_rows
from tests.support.server_process import Serving, post, rows, serving, wait_until_processed

INSTALLATION = 4242
Delivery: TypeAlias = tuple[str, bytes]
ORDERS: dict[str, Callable[[list[Delivery]], list[Delivery]]] = {
    "recorded": list,
    "reversed": lambda sent: sent[::-1],
    "shuffled": lambda sent: random.Random(7).sample(sent, len(sent)),  # noqa: S311 - no secret
}
# Nobody has recorded these; the simulated GitHub composes them of recorded parts.
UNRECORDED = {"installation_target", "issue_dependencies", "projects_v2", "sub_issues"}


def recorded_deliveries(folder: Path) -> list[Delivery]:
    """Each payload with an installation, as a GitHub App gets it."""
    sent = []
    for file in sorted((folder / "webhooks").glob("*.json")):
        for payload in json.loads(file.read_text()):
            known = payload.get("installation") or {}
            payload["installation"] = known | {"id": INSTALLATION, "node_id": "MDIz"}
            sent.append((file.stem, json.dumps(payload).encode()))
    return sent


async def deliver(server: Serving, sent: list[Delivery], guids: list[str]) -> set[int]:
    """Post them in this order, a few at a time: the answers."""
    places = asyncio.Semaphore(4)

    async def one(session: aiohttp.ClientSession, delivery: Delivery, guid: str) -> int:
        async with places:
            return await post(session, server.url, *delivery, guid)

    async with aiohttp.ClientSession() as session:
        return set(
            await asyncio.gather(*(one(session, d, g) for d, g in zip(sent, guids, strict=True)))
        )


# Their rows depend on the order until a read of GitHub settles them.
WITHOUT_TIMES = ("labels", "review_threads")


async def snapshot(database_url: str) -> dict[str, list[dict[str, Any]]]:
    """The whole mirror, without the tables in which GitHub gives no time of a change."""
    store = await open_store(database_url)
    found = {
        table: await store.read(lambda tx, t=table: mirror_rows.content(tx, t, INSTALLATION))  # type: ignore[misc]
        for table in mirror_rows.MIRRORED
        if table not in WITHOUT_TIMES
    }
    await store.close()
    return found


@pytest.fixture(params=["sqlite", "mysql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """A database for each order. On MySQL two orders show that its upserts agree with SQLite's."""
    if request.param == "sqlite":
        return {order: f"sqlite:///{tmp_path}/{order}.db" for order in ORDERS}
    mariadb = request.getfixturevalue("mariadb")
    return {order: mariadb.create() for order in ("recorded", "shuffled")}


async def test_any_order_of_the_recorded_payloads_ends_in_the_same_mirror(
    data: Path, urls: dict[str, str], tmp_path: Path
) -> None:
    sent = recorded_deliveries(data)
    guids = [secrets.token_hex(16) for _ in sent]
    mirrors = {}
    for order, url in urls.items():
        async with serving(tmp_path, url) as server:
            assert await deliver(server, ORDERS[order](sent), guids) == {202}
            await wait_until_processed(url)
            states = await rows(url, "SELECT state, outcome, event FROM deliveries")
            assert len(states) == len(sent)
            assert {row["state"] for row in states} == {"processed"}
            assert {row["event"] for row in states if row["outcome"] == "mirrored"} == set(
                EVENTS
            ) - UNRECORDED
            mirrors[order] = await snapshot(url)
            if order == "recorded":
                # GitHub delivers all of it again, as it does when somebody asks for it.
                assert await deliver(server, sent, guids) == {202}
                await wait_until_processed(url)
                assert len(await rows(url, "SELECT guid FROM deliveries")) == len(sent)
                assert await snapshot(url) == mirrors[order]
            assert await server.stop() == 0
    assert [order for order, each in mirrors.items() if each != mirrors["recorded"]] == []
    empty = {table for table, found in mirrors["recorded"].items() if not found}
    assert empty == {"project_values", "projects"}
