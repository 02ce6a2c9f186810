"""Those who wait hear what happens: soon, all of it, once, in order, and only what is theirs."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from town import Agent, Clock

from bot.actor import Actor, Role
from bot.hub import Hub
from bot.keys import Keys
from bot.operation import Shared
from store import events, retention
from store.database import open_store
from store.transaction import Row, Store, Tx

# Longer than any test may take: whoever is not woken fails by the test's own time-out.
LONG_S = 50
# What a waiter takes to be where it waits, and many times what a wake-up takes.
SOON_S = 20


@pytest.fixture
async def hub(store: Store) -> Hub:
    return Hub(store, Shared(Keys(secrets.token_hex(32))))


@pytest.fixture
async def elsewhere(store_url: str, clock: Clock, hub: Hub) -> AsyncIterator[Hub]:
    """Another process on the same database: its bell is its own."""
    opened = await open_store(store_url, clock)
    yield Hub(opened, hub.shared)
    await opened.close()


def agent(hub: Hub, installation_id: int, name: str = "scout", role: Role = "developer") -> Agent:
    return Agent(hub, Actor(installation_id, name, role))


async def happens(
    hub: Hub, installation_id: int, kind: str = "agent.registered", **given: Any
) -> None:
    """An event in a transaction of its own."""
    await hub.store.write(lambda tx: append(tx, installation_id, kind, **given))


async def append(
    tx: Tx, installation_id: int, kind: str, subject: str = "x", actor: str = "x", **given: Any
) -> None:
    await events.append(tx, installation_id, kind, subject, actor, {"n": 1}, **given)


async def listening(hub: Hub, n: int = 1) -> None:
    """Until as many wait as should."""
    async with asyncio.timeout(SOON_S):
        while hub.watching.waiting < n:  # noqa: ASYNC110 - what they wait for is a step of theirs
            await asyncio.sleep(0.001)


async def woken(hub: Hub, waiting: Awaitable[Row], by: Callable[[], Awaitable[None]]) -> Row:
    """What one who waits is answered when something happens."""
    task = asyncio.ensure_future(waiting)
    await listening(hub)
    await by()
    async with asyncio.timeout(SOON_S):
        return await task


def kinds(answer: Row) -> list[str]:
    return [each["kind"] for each in answer["events"]]


async def test_without_a_cursor_one_learns_where_it_begins(hub: Hub, installation_id: int) -> None:
    scout = agent(hub, installation_id)
    await happens(hub, installation_id)
    start = await scout.call("wait_for_events", topics=["agents"])
    assert (start["events"], start["more"], start["missed"]) == ([], False, False)
    await happens(hub, installation_id, "agent.paused", subject="busy", actor="@octocat")
    (event,) = (await scout.call("wait_for_events", topics=["agents"], cursor=start["cursor"]))[
        "events"
    ]
    assert event.pop("at").startswith("2027-01-15T08:00:00")
    assert event == {
        "kind": "agent.paused",
        "subject": "busy",
        "task": None,
        "actor": "@octocat",
        "data": {"n": 1},
    }


async def test_one_who_waits_is_woken_by_what_happens_in_its_process(
    hub: Hub, installation_id: int
) -> None:
    waiting = agent(hub, installation_id).call("wait_for_events", topics=["agents"], wait_s=LONG_S)
    answer = await woken(hub, waiting, lambda: happens(hub, installation_id))
    assert kinds(answer) == ["agent.registered"]
    assert answer["as_of"]


async def test_one_who_waits_is_woken_by_what_happens_in_another_process(
    hub: Hub, elsewhere: Hub, installation_id: int
) -> None:
    waiting = agent(hub, installation_id).call("wait_for_events", topics=["agents"], wait_s=LONG_S)
    answer = await woken(hub, waiting, lambda: happens(elsewhere, installation_id))
    assert kinds(answer) == ["agent.registered"]


async def test_a_message_of_another_process_wakes_its_reader(
    hub: Hub, elsewhere: Hub, installation_id: int
) -> None:
    reader, writer = agent(hub, installation_id), agent(elsewhere, installation_id, "writer")
    for each in (reader, writer):
        await each.call("register_agent", agent_id=each.actor.name, name="x")

    async def write() -> None:
        await writer.call("send_message", to="scout", body="Come here")

    answer = await woken(hub, reader.call("get_messages", wait_s=LONG_S), write)
    assert [each["body"] for each in answer["messages"]] == ["Come here"]


async def test_a_bell_without_an_event_is_heard_in_another_process(
    hub: Hub, elsewhere: Hub, installation_id: int
) -> None:
    async def ring(tx: Tx) -> None:
        tx.rings.add(f"installation {installation_id}")

    async with hub.watching.spot(installation_id) as spot:
        assert await spot.wait(None, SOON_S) is None  # the first look of all who wait
        await elsewhere.store.write(ring)
        found = await spot.wait(None, SOON_S)
    assert found is not None
    assert found.events == ()


async def test_what_does_not_concern_one_wakes_nobody(hub: Hub, installation_id: int) -> None:
    scout = agent(hub, installation_id)

    async def much() -> None:
        await happens(hub, installation_id, "agent.paused")
        await happens(hub, installation_id, "message.sent", audience="other")
        await happens(hub, installation_id, "message.sent", audience="scout", subject="mine")

    waiting = scout.call("wait_for_events", topics=["messages"], wait_s=LONG_S)
    answer = await woken(hub, waiting, much)
    assert [each["subject"] for each in answer["events"]] == ["mine"]


async def test_pages_follow_each_other_without_loss_or_repeat(
    hub: Hub, installation_id: int
) -> None:
    scout = agent(hub, installation_id)
    page = await scout.call("wait_for_events", topics=["agents"])
    for n in range(7):
        await happens(hub, installation_id, subject=f"agent-{n}")
        await happens(hub, installation_id, "message.sent", audience="other")
    seen, more = [], []
    for _ in range(3):
        page = await scout.call(
            "wait_for_events", topics=["agents"], cursor=page["cursor"], limit=3
        )
        seen += [each["subject"] for each in page["events"]]
        more.append(page["more"])
    assert seen == [f"agent-{n}" for n in range(7)]
    assert more == [True, True, False]


async def test_a_cursor_never_skips_a_late_commit(
    hub: Hub, elsewhere: Hub, installation_id: int
) -> None:
    """The first to append is the last to commit: on SQLite they take turns anyhow."""
    scout = agent(hub, installation_id)
    start = await scout.call("wait_for_events", topics=["agents"])
    appended, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Tx) -> None:
        await append(tx, installation_id, "agent.registered", subject="late")
        appended.set()
        await go_on.wait()

    late = asyncio.create_task(hub.store.write(slowly))
    await appended.wait()
    early = asyncio.create_task(happens(elsewhere, installation_id, subject="early"))
    if hub.store.dialect == "mysql":
        await early
    first = await scout.call("wait_for_events", topics=["agents"], cursor=start["cursor"])
    go_on.set()
    await asyncio.gather(late, early)
    then = await scout.call("wait_for_events", topics=["agents"], cursor=first["cursor"])
    seen = [each["subject"] for each in first["events"] + then["events"]]
    assert sorted(seen) == ["early", "late"]


async def test_a_cursor_from_before_what_is_kept_says_that_some_were_missed(
    hub: Hub, clock: Clock, installation_id: int
) -> None:
    scout = agent(hub, installation_id)
    start = await scout.call("wait_for_events", topics=["agents"])
    await happens(hub, installation_id, subject="old")
    middle = await scout.call("wait_for_events", topics=["agents"])
    clock.forward(3600)
    await happens(hub, installation_id, subject="new")
    before = clock() - 60 * 1_000_000
    assert await hub.store.write(
        lambda tx: retention.grown(tx, "events", installation_id, before, 100)
    )
    old = await scout.call("wait_for_events", topics=["agents"], cursor=start["cursor"])
    assert old["missed"]
    assert [each["subject"] for each in old["events"]] == ["new"]
    fresh = await scout.call("wait_for_events", topics=["agents"], cursor=middle["cursor"])
    assert not fresh["missed"]
    assert [each["subject"] for each in fresh["events"]] == ["new"]
