"""What follows from changed tasks runs in the transaction that changed them."""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial

import pytest

from store import events
from store.engine.database import open_store
from store.engine.transaction import Store, TaskKey, Tx, settle
from tests.support.story import Clock


class Wrong(Exception):
    pass


def change(tx: Tx, installation_id: int, name: str) -> None:
    tx.changed_tasks.add((installation_id, name))


async def follow(tx: Tx, changed: AbstractSet[TaskKey]) -> None:
    """An event for each task. `chain` changes another task, and `wrong` fails."""
    for installation_id, name in sorted(changed):
        await events.append(tx, installation_id, "task.claimed", name, "hubbub", {})
        if name == "chain":
            change(tx, installation_id, "link")
        if name == "wrong":
            raise Wrong


@pytest.fixture
async def following(store_url: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await open_store(store_url, clock, before_commit=follow)
    yield opened
    await opened.close()


async def subjects(store: Store, installation_id: int) -> list[str]:
    q = "SELECT subject FROM events WHERE installation_id = :i ORDER BY seq"
    rows = await store.read(lambda tx: tx.all(q, i=installation_id))
    return [row["subject"] for row in rows]


async def test_effects_are_in_the_transaction_until_no_more_follow(
    following: Store, installation_id: int
) -> None:
    async def work(tx: Tx) -> None:
        change(tx, installation_id, "chain")

    await following.write(work)
    assert await subjects(following, installation_id) == ["chain", "link"]


async def test_an_effect_that_fails_takes_back_its_work_alone(
    following: Store, installation_id: int
) -> None:
    async def work(name: str, tx: Tx) -> str:
        await events.append(tx, installation_id, "task.claimed", f"by {name}", "ada", {})
        change(tx, installation_id, name)
        return name

    found = await asyncio.gather(
        *(following.write(partial(work, name)) for name in ("a", "wrong", "b")),
        return_exceptions=True,
    )
    assert [found[0], type(found[1]), found[2]] == ["a", Wrong, "b"]
    assert sorted(await subjects(following, installation_id)) == ["a", "b", "by a", "by b"]


async def test_a_repeated_transaction_begins_without_changed_tasks(
    following: Store, installation_id: int
) -> None:
    async def work(tx: Tx) -> None:
        change(tx, installation_id, "first")
        raise Wrong

    async def later(tx: Tx) -> None:
        assert tx.changed_tasks == set()

    with suppress(Wrong):
        await following.write(work)
    await following.write(later)
    assert await subjects(following, installation_id) == []


async def test_a_preview_sees_the_effects_of_a_transaction_that_it_rolls_back(
    following: Store, installation_id: int
) -> None:
    seen: list[int] = []

    async def work(tx: Tx) -> None:
        change(tx, installation_id, "chain")
        await settle(tx)
        seen.append(len(tx.numbered))
        raise Wrong

    with suppress(Wrong):
        await following.write(work)
    assert seen == [2]
    assert await subjects(following, installation_id) == []


async def test_nothing_runs_for_a_transaction_that_changed_no_task(
    store_url: str, clock: Clock
) -> None:
    async def never(_: Tx, __: AbstractSet[TaskKey]) -> None:
        raise AssertionError

    opened = await open_store(store_url, clock, before_commit=never)
    await opened.write(lambda tx: tx.now())
    await opened.close()
