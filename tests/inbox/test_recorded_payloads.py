"""GitHub's recorded payloads, signed and posted to a server."""

import asyncio
import json
import random
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bot.inbox import worker
from bot.inbox.backpressure import Backpressure
from bot.mirror.webhooks import EVENTS
from store.engine.database import open_store
from store.engine.transaction import Store, Tx
from store.mirror import mirror_rows
from tests.conftest import sqlite_copy
from tests.support.server_in_process import Surface, serving
from tests.support.server_process import post

INSTALLATION = 4242
Delivery: TypeAlias = tuple[str, bytes]
Mirror: TypeAlias = dict[str, list[dict[str, Any]]]
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


async def deliver(server: Surface, sent: list[Delivery], guids: list[str]) -> set[int]:
    """Post them in this order, a few at a time, and process them. Return the answers."""
    places = asyncio.Semaphore(4)

    async def one(delivery: Delivery, guid: str) -> int:
        async with places:
            return await post(server.client, server.url, *delivery, guid)

    found = await asyncio.gather(*(one(d, g) for d, g in zip(sent, guids, strict=True)))
    while await worker.step(server.store, server.dispatcher.shared, Backpressure()):
        pass
    return set(found)


# Their rows depend on the order until a read of GitHub settles them.
WITHOUT_TIMES = ("labels", "review_threads")


async def snapshot(store: Store) -> Mirror:
    """The whole mirror, without the tables in which GitHub gives no time of a change."""

    async def work(tx: Tx) -> Mirror:
        names = [each for each in mirror_rows.MIRRORED if each not in WITHOUT_TIMES]
        return {each: await mirror_rows.content(tx, each, INSTALLATION) for each in names}

    return await store.read(work)


@pytest.fixture(params=["sqlite", "mysql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """A database for each order. On MySQL two orders show that its upserts agree with SQLite's."""
    if request.param == "sqlite":
        migrated = request.getfixturevalue("migrated_sqlite_file")
        return {order: sqlite_copy(migrated, tmp_path / f"{order}.db") for order in ORDERS}
    mariadb, migrated = map(request.getfixturevalue, ("mariadb", "migrated_mysql"))
    return {order: mariadb.copy(migrated) for order in ("recorded", "shuffled")}


async def test_any_order_of_the_recorded_payloads_ends_in_the_same_mirror(
    data: Path, urls: dict[str, str]
) -> None:
    sent = recorded_deliveries(data)
    mirrors = {}
    for order, url in urls.items():
        store = await open_store(url)
        async with serving(store, INSTALLATION) as server:
            mirrors[order] = await mirror_after(server, sent, order)
        await store.close()
    for order, mirror in mirrors.items():
        for table, found in mirror.items():
            assert found == mirrors["recorded"][table], (order, table)
    empty = {table for table, found in mirrors["recorded"].items() if not found}
    assert empty == {"project_values", "projects"}


async def mirror_after(server: Surface, sent: list[Delivery], order: str) -> Mirror:
    """The mirror after the payloads in this order."""
    guids = [secrets.token_hex(16) for _ in sent]
    assert await deliver(server, ORDERS[order](sent), guids) == {202}
    states = await server.rows("SELECT state, outcome, event FROM deliveries")
    assert len(states) == len(sent)
    assert {row["state"] for row in states} == {"processed"}
    mirrored = {row["event"] for row in states if row["outcome"] == "mirrored"}
    assert mirrored == set(EVENTS) - UNRECORDED
    found = await snapshot(server.store)
    if order == "recorded":
        # GitHub delivers all of it again, as it does when somebody asks for it.
        assert await deliver(server, sent, guids) == {202}
        assert len(await server.rows("SELECT guid FROM deliveries")) == len(sent)
        assert await snapshot(server.store) == found
    return found
