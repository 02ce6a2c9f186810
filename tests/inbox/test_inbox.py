"""Group commit: what deliveries that come in together cost, and how one fails alone."""

import asyncio
import time
from collections import Counter
from functools import partial
from typing import Any

import pytest

from bot.identity.keyring import Keys
from bot.inbox import backpressure, worker
from bot.inbox.backpressure import Backpressure
from bot.kernel.operation import Shared
from store.engine.database import open_store
from store.engine.transaction import PoolUse, Store, StoreError, Work
from store.inbox import commands, deliveries
from store.inbox.commands import FoundCommand
from store.inbox.deliveries import Delivery
from tests.support.patience import SOON_S
from tests.support.server_in_process import Surface, new_guid, serving
from tests.support.story import Clock
from webhooks.group_commit import Inbox


class Counting:
    """A store that counts its transactions, and is away when told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.bell, self.dialect = store.bell, store.dialect
        self.written = 0
        self.away = False

    async def read(self, work: Work[Any]) -> Any:
        return await self._store.read(work)

    async def write(self, work: Work[Any]) -> Any:
        self.written += 1
        if self.away:
            raise StoreError("The disk is full.")
        return await self._store.write(work)

    def pool(self) -> PoolUse:
        return self._store.pool()

    async def close(self) -> None:
        await self._store.close()


def delivery(installation_id: int, **changed: Any) -> Delivery:
    given = {"guid": new_guid(), "event": "issues", "action": "opened", "payload": b"{}"}
    return Delivery(**{"installation_id": installation_id, "repository_id": None} | given | changed)


async def stored_guids(store: Store, installation_id: int) -> set[str]:
    q = "SELECT guid FROM deliveries WHERE installation_id = :i"
    return {row["guid"] for row in await store.read(lambda tx: tx.all(q, i=installation_id))}


async def send(surface: Surface, n: int) -> list[int]:
    payload = {"action": "opened", "installation": {"id": surface.installation_id}}
    answers = await asyncio.gather(*(surface.deliver(payload) for _ in range(n)))
    return [answer.status for answer in answers]


async def test_those_that_wait_go_into_the_next_transaction_together(
    store: Store, installation_id: int
) -> None:
    counting = Counting(store)
    inbox = Inbox(counting, Backpressure())
    arrived = [delivery(installation_id) for _ in range(50)]
    await asyncio.gather(*(inbox.receive(each) for each in arrived))
    assert counting.written == 1
    assert await stored_guids(store, installation_id) == {each.guid for each in arrived}


async def test_fifty_posts_at_once_take_fewer_transactions(
    store: Store, installation_id: int
) -> None:
    counting = Counting(store)
    async with serving(counting, installation_id) as surface:
        assert await send(surface, 50) == [202] * 50
    assert len(await stored_guids(store, installation_id)) == 50
    assert counting.written < 50


async def test_one_that_the_database_refuses_harms_no_other(
    store: Store, installation_id: int
) -> None:
    inbox = Inbox(store, Backpressure())
    good = [delivery(installation_id) for _ in range(5)]
    bad = delivery(installation_id, event=None)  # a column that may not be empty
    arrived = [*good[:2], bad, *good[2:]]
    outcomes = await asyncio.gather(
        *(inbox.receive(each) for each in arrived), return_exceptions=True
    )
    assert [outcome is None for outcome in outcomes] == [each is not bad for each in arrived]
    assert await stored_guids(store, installation_id) == {each.guid for each in good}


async def test_while_the_database_is_away_nothing_is_acknowledged(
    store: Store, installation_id: int
) -> None:
    counting = Counting(store)
    async with serving(counting, installation_id) as surface:
        counting.away = True
        assert await send(surface, 20) == [503] * 20
        assert counting.written <= 20  # not once more for each
        counting.away = False
        assert await send(surface, 20) == [202] * 20
    assert len(await stored_guids(store, installation_id)) == 20


async def test_one_that_waits_no_longer_is_kept_all_the_same(
    store: Store, installation_id: int
) -> None:
    inbox = Inbox(store, Backpressure())
    left, stays = delivery(installation_id), delivery(installation_id)
    waiting = asyncio.create_task(inbox.receive(left))
    await asyncio.sleep(0)
    waiting.cancel()
    await inbox.receive(stays)
    assert await stored_guids(store, installation_id) == {left.guid, stays.guid}


class Seconds:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += seconds


@pytest.mark.parametrize(
    ("gaps", "busy"),
    [
        pytest.param([], False, id="one"),
        pytest.param([0.01], True, id="two at once"),
        pytest.param([0.03, 0.03, 0.03], False, id="one after the other"),
        pytest.param([0.03, 0.001], True, id="two of several at once"),
    ],
)
def test_the_worker_waits_only_while_webhooks_come_close_together(
    gaps: list[float],
    busy: bool,  # noqa: FBT001 - a parameter
) -> None:
    clock = Seconds()
    pressure = Backpressure(clock)
    pressure.report_arrival()
    for gap in gaps:
        clock.forward(gap)
        pressure.report_arrival()
    assert pressure.is_busy() is busy
    clock.forward(2 * backpressure.QUIET_S)
    assert not pressure.is_busy()


def test_one_that_follows_the_answer_comes_close_however_long_the_commit_took() -> None:
    clock = Seconds()
    pressure = Backpressure(clock)
    pressure.report_arrival()
    clock.forward(0.2)
    pressure.report_stored()
    clock.forward(0.01)
    pressure.report_arrival()
    assert pressure.is_busy()


async def webhooks_without_end(pressure: Backpressure, clock: Seconds) -> None:
    while True:
        clock.forward(0.1)
        for _ in range(2):
            pressure.report_arrival()
        await asyncio.sleep(0)


async def test_the_worker_gets_its_share_while_webhooks_never_stop() -> None:
    clock = Seconds()
    pressure = Backpressure(clock)
    arriving = asyncio.create_task(webhooks_without_end(pressure, clock))
    await asyncio.sleep(0)
    began = clock.at
    async with asyncio.timeout(SOON_S):
        await pressure.wait()
    assert clock.at - began >= backpressure.AT_MOST_S
    arriving.cancel()
    pressure.report_arrival()
    async with asyncio.timeout(SOON_S):
        await pressure.wait()  # its share is not used up yet


async def test_after_its_share_the_worker_hears_the_webhooks_that_came_while_it_worked() -> None:
    clock = Seconds()
    pressure = Backpressure(clock)
    arriving = asyncio.create_task(webhooks_without_end(pressure, clock))
    await asyncio.sleep(0)
    await pressure.wait()
    arriving.cancel()
    # It worked so long that the last webhook which it has heard of is long ago.
    clock.forward(10 * backpressure.QUIET_S)
    waiting = asyncio.create_task(pressure.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    for _ in range(2):
        pressure.report_arrival()
    assert pressure.is_busy()
    clock.forward(10 * backpressure.QUIET_S)
    await waiting


async def test_the_deliveries_of_one_installation_hold_up_those_of_no_other(own_url: str) -> None:
    store = await open_store(own_url, Clock())
    many = [delivery(1) for _ in range(worker.BATCH + 20)]
    for each in (*many, delivery(2), delivery(3), delivery(3)):
        await store.write(partial(deliveries.receive, arrived=[each]))
    due = await store.read(lambda tx: deliveries.due(tx, worker.BATCH))
    assert Counter(key["installation_id"] for key in due) == {1: worker.BATCH - 3, 2: 1, 3: 2}
    turns = worker.in_turns(due)
    assert [key["installation_id"] for key in turns[:6]] == [1, 2, 3, 1, 3, 1]
    assert [key["guid"] for key in turns if key["installation_id"] == 1] == [
        each.guid for each in many[: worker.BATCH - 3]
    ]
    # A step without time takes one for each place, so that it ends after the slowest of them.
    await worker.step(store, Shared(Keys("00" * 32)), at_most_s=0)
    left = await store.read(lambda tx: deliveries.due(tx, worker.BATCH))
    assert Counter(key["installation_id"] for key in left) == {1: worker.BATCH - 1, 3: 1}
    await store.close()


async def test_the_commands_of_one_installation_hold_up_those_of_no_other(own_url: str) -> None:
    store = await open_store(own_url, Clock())
    for n in range(worker.BATCH + 20):
        await store.write(partial(commands.add, installation_id=1, found=[command(n)]))
    await store.write(partial(commands.add, installation_id=2, found=[command(1)]))
    due = await store.read(lambda tx: commands.due(tx, worker.BATCH))
    assert Counter(row["installation_id"] for row in due) == {1: worker.BATCH - 1, 2: 1}
    await store.close()


async def test_many_commands_that_wait_on_one_issue_take_little_time_with_sqlite(
    sqlite_url: str,
) -> None:
    """On SQLite only: there the server does nothing else meanwhile."""
    store = await open_store(sqlite_url, Clock())
    # The order that is worst for an index: the oldest is found last.
    found: list[FoundCommand] = [
        {**command(n), "number": 7, "written_at": 3000 - n} for n in range(3000)
    ]
    await store.write(partial(commands.add, installation_id=1, found=found))
    before = time.process_time()
    (due,) = await store.read(lambda tx: commands.due(tx, worker.BATCH))
    assert time.process_time() - before < 0.5
    assert due["source_id"] == 2999
    await store.close()


def command(number: int) -> FoundCommand:
    return {
        "source_kind": "comment",
        "source_id": number,
        "text_hash": "0" * 64,
        "nth": 0,
        "repository_id": 5,
        "number": number,
        "line": 1,
        "verb": "status",
        "words": [],
        "text": "/status",
        "asker": "octocat",
        "asker_id": 1,
        "written_at": 1,
    }
