"""What differs between the drivers for MySQL, and what a transaction sends to the server."""

import asyncio
import sys

import pytest
from pymysql.err import IntegrityError

import store.engine
from store.engine import key_values, sequences, sql
from store.engine.database import open_store
from store.engine.mysql import MySQL
from store.engine.mysql_address import address
from store.engine.transaction import Row, Store, StoreError, Tx
from tests.support.tcp_proxy import network


@pytest.mark.parametrize(
    ("scheme", "driver"),
    [("mysql", "aiomysql"), ("mysql+aiomysql", "aiomysql"), ("mysql+asyncmy", "asyncmy")],
)
def test_the_scheme_of_the_address_names_the_driver_on_mysql(scheme: str, driver: str) -> None:
    assert address(f"{scheme}://u:p@db.example.com/x").driver == driver


async def test_a_driver_that_is_not_installed_says_what_to_install_on_mysql(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(store.engine, "mysql_asyncmy", raising=False)
    monkeypatch.delitem(sys.modules, "store.engine.mysql_asyncmy", raising=False)
    # None in the place of a module makes its import fail.
    monkeypatch.setitem(sys.modules, "asyncmy", None)
    with pytest.raises(StoreError, match=r"not installed.*pip install asyncmy.*mysql://"):
        await open_store("mysql+asyncmy://u:p@127.0.0.1:1/x")


async def _sleep(tx: Tx) -> None:
    await tx.one("SELECT SLEEP(5), 'late' AS said")


async def _one(tx: Tx) -> int:
    row = await tx.one("SELECT 1 AS one")
    return int(row["one"]) if row else 0


async def test_a_cancelled_read_leaves_its_answer_to_nobody_on_mysql(
    migrated_mysql_url: str,
) -> None:
    store = await open_store(migrated_mysql_url)
    await store.read(_one)
    reading = asyncio.create_task(store.read(_sleep))
    await asyncio.sleep(0.05)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [await store.read(_one) for _ in range(3)] == [1, 1, 1]
    await store.close()


def event(subject: str, data: str = "{}") -> Row:
    return {"at": 1, "kind": "k", "subject": subject, "actor": "a", "data": data}


async def subjects(store: Store, installation_id: int) -> list[tuple[int, str]]:
    q = "SELECT seq, subject FROM events WHERE installation_id = :i ORDER BY seq"
    rows = await store.read(lambda tx: tx.all(q, i=installation_id))
    return [(row["seq"], row["subject"]) for row in rows]


async def test_a_write_begins_with_its_first_statement_and_commits_with_its_events_on_mysql(
    migrated_mysql_url: str, installation_id: int
) -> None:
    where = address(migrated_mysql_url)

    async def work(tx: Tx) -> None:
        await tx.now()
        await key_values.put(tx, f"fact {installation_id}", "kept")
        sequences.append(tx, "events", installation_id, event("first"))
        sequences.append(tx, "events", installation_id, event("second"))

    async def nothing(_: Tx) -> None: ...

    async with network(where.host, where.port) as between:
        store = await MySQL.open(
            migrated_mysql_url.replace(f":{where.port}/", f":{between.port}/"), None
        )
        await store.read(_one)
        before = between.questions
        await store.write(work)
        assert between.questions - before == 3
        await store.write(nothing)
        await store.read(_one)
        assert between.questions - before == 4
        await store.close()


async def test_rows_that_nobody_waits_for_travel_with_the_next_statement_on_mysql(
    migrated_mysql_url: str, installation_id: int
) -> None:
    where = address(migrated_mysql_url)
    facts = [{"name": f"{installation_id} {n}", "value": "kept"} for n in range(3)]

    async def work(tx: Tx) -> None:
        await tx.many(sql.insert("facts", ("name", "value")), facts)
        await tx.many("INSERT INTO facts (name, value) VALUES (:name, :value)", [])

    async def with_look(tx: Tx) -> str | None:
        await tx.many(sql.upsert(tx.dialect, "facts", ("name", "value"), ("name",)), facts)
        return await key_values.get(tx, f"{installation_id} 2")

    async with network(where.host, where.port) as between:
        url = migrated_mysql_url.replace(f":{where.port}/", f":{between.port}/")
        store = await MySQL.open(url, None)
        await store.read(_one)
        before = between.questions
        await store.write(work)
        assert between.questions - before == 1
        assert await store.write(with_look) == "kept"
        assert between.questions - before == 3
        with pytest.raises(IntegrityError, match="Duplicate entry"):
            await store.write(work)
        await store.close()


async def test_each_installation_numbers_its_own_rows_in_one_transaction(
    store: Store, installation_id: int
) -> None:
    other = installation_id + 1

    async def work(tx: Tx) -> None:
        for n in range(3):
            sequences.append(tx, "events", installation_id, event(f"here {n}"))
            sequences.append(tx, "events", other, event(f"there {n}"))

    await store.write(work)
    await store.write(work)
    names = [0, 1, 2, 0, 1, 2]
    assert await subjects(store, installation_id) == [
        (n, f"here {name}") for n, name in enumerate(names, 1)
    ]
    assert await subjects(store, other) == [(n, f"there {name}") for n, name in enumerate(names, 1)]


async def test_rows_that_fill_several_packets_are_numbered_without_a_gap(
    store: Store, installation_id: int
) -> None:
    long = "x" * 600

    async def work(tx: Tx) -> None:
        for n in range(2_000):
            sequences.append(tx, "events", installation_id, event(f"{n}", f'"{long}"'))

    await store.write(work)
    assert await subjects(store, installation_id) == [(n + 1, f"{n}") for n in range(2_000)]


async def test_a_row_that_cannot_be_inserted_leaves_no_number_and_no_row(
    store: Store, installation_id: int
) -> None:
    async def work(tx: Tx) -> None:
        await key_values.put(tx, f"fact {installation_id}", "half done")
        sequences.append(tx, "events", installation_id, event("good"))
        sequences.append(tx, "audit", installation_id, {"no_such_column": 1})

    with pytest.raises(Exception, match="no_such_column"):
        await store.write(work)
    assert await subjects(store, installation_id) == []
    assert await store.read(lambda tx: key_values.get(tx, f"fact {installation_id}")) is None
    assert await store.read(lambda tx: sequences.of(tx, [installation_id])) == {}
