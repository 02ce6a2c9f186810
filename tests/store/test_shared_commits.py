"""SQLite: works that wait at the same time share a commit, and nothing else."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from functools import partial

import pytest

from store import events
from store.engine import key_values, sequences
from store.engine.sqlite import SQLite
from store.engine.transaction import StoreError, Tx
from tests.support.patience import SOON_S

HERE = 7


class Wrong(Exception):
    pass


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[SQLite]:
    store = SQLite(sqlite_url.removeprefix("sqlite:///"), lambda: 1)
    yield store
    await store.close()


async def put(tx: Tx, name: str) -> str:
    await key_values.put(tx, name, name)
    await events.append(tx, HERE, "task.claimed", name, "ada", {})
    return name


async def fail(tx: Tx) -> None:
    await put(tx, "wrong")
    raise Wrong


async def stored(store: SQLite) -> list[str]:
    rows = await store.read(lambda tx: tx.all("SELECT subject FROM events ORDER BY seq"))
    return [row["subject"] for row in rows]


async def test_works_at_the_same_time_share_a_commit(sqlite: SQLite) -> None:
    said: list[str] = []
    sqlite._writer.set_trace_callback(said.append)
    names = [f"n{n:02}" for n in range(20)]
    found = await asyncio.gather(*(sqlite.write(partial(put, name=name)) for name in names))
    assert found == names == await stored(sqlite)
    assert said.count("COMMIT") == 1


async def test_a_work_that_fails_takes_nothing_of_the_others_back(sqlite: SQLite) -> None:
    first, wrong, last = await asyncio.gather(
        sqlite.write(lambda tx: put(tx, "first")),
        sqlite.write(fail),
        sqlite.write(lambda tx: put(tx, "last")),
        return_exceptions=True,
    )
    assert (first, last) == ("first", "last")
    assert isinstance(wrong, Wrong)
    assert await stored(sqlite) == ["first", "last"]
    heads = await sqlite.read(lambda tx: sequences.of(tx, [HERE]))
    assert heads == {HERE: 2}, "the number of the work that failed is used again"


async def test_a_work_whose_part_is_cancelled_takes_nothing_of_the_others_back(
    sqlite: SQLite,
) -> None:
    async def cancelled(tx: Tx) -> None:
        await put(tx, "wrong")
        part = asyncio.get_running_loop().create_future()
        part.cancel()
        await part

    async with asyncio.timeout(SOON_S):  # if the others were left, they would wait for ever
        first, wrong, last = await asyncio.gather(
            sqlite.write(lambda tx: put(tx, "first")),
            sqlite.write(cancelled),
            sqlite.write(lambda tx: put(tx, "last")),
            return_exceptions=True,
        )
    assert (first, last) == ("first", "last")
    assert isinstance(wrong, asyncio.CancelledError)
    assert await stored(sqlite) == ["first", "last"]


async def test_no_work_is_answered_if_the_commit_fails(sqlite: SQLite) -> None:
    def refuse(action: int, what: str | None, *_: object) -> int:
        denied = (action, what) == (sqlite3.SQLITE_TRANSACTION, "COMMIT")
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

    sqlite._writer.set_authorizer(refuse)
    found = await asyncio.gather(
        *(sqlite.write(partial(put, name=f"n{n}")) for n in range(3)), return_exceptions=True
    )
    assert all(isinstance(each, sqlite3.DatabaseError | StoreError) for each in found), found
    sqlite._writer.set_authorizer(None)
    assert await stored(sqlite) == []
    assert await sqlite.write(lambda tx: put(tx, "later")) == "later"


async def test_a_caller_that_leaves_does_not_stop_the_others(sqlite: SQLite) -> None:
    leaves = asyncio.create_task(sqlite.write(lambda tx: put(tx, "left")))
    stays = asyncio.create_task(sqlite.write(lambda tx: put(tx, "stays")))
    await asyncio.sleep(0)
    leaves.cancel()
    assert await stays == "stays"
    assert leaves.cancelled()
    assert await stored(sqlite) == ["left", "stays"]
