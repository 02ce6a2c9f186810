"""A database that is silent, refuses, or is full: bounded in time, and told apart from bugs."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from store.engine import key_values
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.mysql import MySQL, Patience
from store.engine.mysql_address import address
from store.engine.transaction import Store, StoreError, Tx
from tests.support.patience import SOON_S
from tests.support.tcp_proxy import Network, network

# What is long for a statement on a busy machine, and never passes for what must come.
IMPATIENT = Patience(connect_s=SOON_S, statement_s=1.0, try_s=SOON_S, close_s=0.3)
# The first connection, to a server that answers, is opened within `connect_s` too.
QUICK = Patience(connect_s=1.5, statement_s=0.3, try_s=0.5, close_s=0.3)


@pytest.fixture
async def between(migrated_mysql_url: str) -> AsyncIterator[Network]:
    where = address(migrated_mysql_url)
    async with network(where.host, where.port) as made:
        yield made


@pytest.fixture
async def behind(
    between: Network, migrated_mysql_url: str, request: pytest.FixtureRequest
) -> AsyncIterator[MySQL]:
    """A store whose connections pass through the network."""
    where = address(migrated_mysql_url)
    url = migrated_mysql_url.replace(f":{where.port}/", f":{between.port}/")
    store = await MySQL.open(url, None, patience=getattr(request, "param", IMPATIENT))
    yield store
    await store.close()


async def _one(tx: Tx) -> int:
    row = await tx.one("SELECT 1 AS one")
    return int(row["one"]) if row else 0


async def test_connections_that_a_firewall_forgot_are_replaced_on_mysql(
    behind: Store, between: Network, installation_id: int
) -> None:
    await asyncio.gather(*(behind.read(_one) for _ in range(5)))
    between.forget()
    assert await asyncio.gather(*(behind.read(_one) for _ in range(5))) == [1] * 5
    between.forget()
    await behind.write(lambda tx: key_values.put(tx, f"fact {installation_id}", "kept"))
    found = await behind.read(lambda tx: key_values.get(tx, f"fact {installation_id}"))
    assert found == "kept"


async def test_a_caller_that_leaves_while_a_connection_is_tried_leaves_none_open_on_mysql(
    behind: MySQL, between: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.engine.mysql_pool.IDLE_S", 0)
    await behind.read(_one)
    [connection] = behind._pool._idle
    asked = between.questions
    between.cut()
    reading = asyncio.create_task(behind.read(_one))
    async with asyncio.timeout(SOON_S):
        while between.questions == asked:  # noqa: ASYNC110 - of the network
            await asyncio.sleep(0.001)
    reading.cancel()
    await asyncio.wait([reading])
    assert (connection.is_closed(), behind._pool._ends) == (True, {})


async def test_a_connection_lost_before_its_commit_is_replaced_and_the_work_done_once_on_mysql(
    behind: Store, between: Network, installation_id: int
) -> None:
    runs: list[int] = []

    async def work(tx: Tx) -> None:
        await key_values.put(tx, f"fact {installation_id} {len(runs)}", "kept")
        runs.append(1)
        if len(runs) == 1:
            between.forget()

    await behind.write(work)
    assert len(runs) == 2

    async def stored(tx: Tx) -> list[str | None]:
        return [await key_values.get(tx, f"fact {installation_id} {n}") for n in range(2)]

    assert await behind.read(stored) == [None, "kept"]


@pytest.mark.parametrize("behind", [QUICK], indirect=True, ids=["quick"])
async def test_a_server_that_falls_silent_is_an_outage_within_seconds_on_mysql(
    behind: Store, between: Network
) -> None:
    between.cut()
    began = time.monotonic()
    with pytest.raises(StoreError, match="did not let Hubbub in within"):
        await behind.read(_one)
    assert time.monotonic() - began < 9


async def test_a_store_whose_server_is_silent_closes_within_seconds_on_mysql(
    between: Network, migrated_mysql_url: str
) -> None:
    where = address(migrated_mysql_url)
    url = migrated_mysql_url.replace(f":{where.port}/", f":{between.port}/")
    store = await MySQL.open(url, None, patience=Patience(close_s=0.2))
    await store.read(_one)
    between.cut()
    writing = asyncio.create_task(store.write(_one))
    await asyncio.sleep(0)
    began = time.monotonic()
    await store.close()
    assert time.monotonic() - began < 9
    with pytest.raises((StoreError, asyncio.CancelledError)):
        await writing


# MySQL's codes that no statement of ours causes.
REFUSALS = (1290, 1792, 1836, 1040, 1203, 1226, 1021, 1114, 1030, 1041, 1045, 1142, 1969, 3024)


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_refusal_of_the_server_is_an_outage_on_mysql(
    migrated_mysql_url: str, code: int
) -> None:
    signal = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'not now'"
    store = await open_store(migrated_mysql_url)
    try:
        for transaction in (store.read, store.write):
            with pytest.raises(StoreError, match="not now"):
                await transaction(lambda tx: tx.run(signal))
        assert await store.read(_one) == 1
    finally:
        await store.close()


async def test_a_disk_that_was_full_for_a_while_loses_nothing_and_needs_no_restart_with_sqlite(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'hubbub.db'}"
    upgrade(url)
    store = await open_store(url)
    await store.write(lambda tx: key_values.put(tx, "before", "kept"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StoreError, match="Cannot write to the SQLite file"):
            await store.write(lambda tx: key_values.put(tx, "meanwhile", "x" * 100_000))
        assert await store.read(lambda tx: key_values.get(tx, "before")) == "kept"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await store.write(lambda tx: key_values.put(tx, "after", "kept"))
    assert await store.read(lambda tx: key_values.get(tx, "meanwhile")) is None
    await store.close()


async def test_a_statement_that_is_wrong_is_no_outage(store: Store) -> None:
    for transaction in (store.read, store.write):
        with pytest.raises(Exception, match="no_such_table") as raised:
            await transaction(lambda tx: tx.all("SELECT 1 FROM no_such_table"))
        assert not isinstance(raised.value, StoreError)


def _fill_disk(_: Path) -> str:
    return "PRAGMA max_page_count = 1"


def _make_read_only(_: Path) -> str:
    return "PRAGMA query_only = ON"


@pytest.mark.parametrize("happen", [_fill_disk, _make_read_only])
async def test_a_file_that_cannot_be_written_is_an_outage_and_reads_go_on_with_sqlite(
    tmp_path: Path, happen: Callable[[Path], str]
) -> None:
    url = f"sqlite:///{tmp_path / 'hubbub.db'}"
    upgrade(url)
    store = await open_store(url)
    await store.write(lambda tx: tx.all(happen(tmp_path)))
    with pytest.raises(StoreError, match="Cannot write to the SQLite file"):
        await store.write(lambda tx: key_values.put(tx, "large", "x" * 100_000))
    assert await store.read(_one) == 1
    await store.close()
