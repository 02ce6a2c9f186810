"""`audit verify` finds every change of the audit log, by whoever can change the database."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.audit import seals, verification
from bot.audit.verification import Expected, Report
from bot.background import retention, sealing
from bot.background.retention import DAY, RetentionTimes
from bot.identity.keyring import Keys
from store.audit import records
from store.engine.database import open_store
from store.engine.origins import Origin
from store.engine.transaction import Store, Tx
from store.tables import TABLES
from tests.support.engines import ON_SQLITE
from tests.support.story import Clock

KEYS = Keys("k" * 40)
FROM = Origin("rest", "192.0.2.1", "0123456789abcdef0123", "request-1")


async def write_rows(store: Store, installation_id: int, n: int = 5) -> None:
    for k in range(n):
        await store.write(lambda tx, k=k: _append(tx, installation_id, k))  # type: ignore[misc]


async def _append(tx: Tx, installation_id: int, k: int) -> None:
    data = {"fence": k, "label": "bug"}
    where = f"acme/rocket#{k}"
    await records.append(tx, installation_id, "ada", "claim_task", where, data=data, origin=FROM)


async def seal(store: Store, keys: Keys = KEYS) -> None:
    while await sealing.step(store, keys, 0):
        pass


async def verify(
    store: Store, installation_id: int, *expected: Expected, keys: Keys = KEYS
) -> Report:
    return await verification.verify(store, keys, installation_id, expected)


async def sealed_rows(store: Store, installation_id: int) -> list[dict[str, Any]]:
    await write_rows(store, installation_id)
    await seal(store)
    assert (await verify(store, installation_id)).problem is None
    return await rows_of(store, "audit", installation_id)


async def rows_of(store: Store, table: str, installation_id: int) -> list[dict[str, Any]]:
    q = f"SELECT * FROM {table} WHERE installation_id = :i"
    return await store.read(lambda tx: tx.all(q, i=installation_id))


async def run(store: Store, sql: str, **params: Any) -> None:
    assert await store.write(lambda tx: tx.run(sql, **params))


def other(value: Any) -> Any:
    """The value with one character or bit changed."""
    if isinstance(value, int):
        return value ^ 1
    return ("x" if value[:1] != "x" else "y") + value[1:]


async def change(store: Store, table: str, column: str, new: Any, which: dict[str, Any]) -> None:
    where = " AND ".join(f"{name} = :{name}" for name in which)
    await run(store, f"UPDATE {table} SET {column} = :new WHERE {where}", new=new, **which)


async def test_one_changed_byte_in_any_column_of_a_sealed_row_is_found(
    store: Store, installation_id: int
) -> None:
    row = (await sealed_rows(store, installation_id))[2]
    seq = row["seq"]
    for column in TABLES["audit"].names:
        key = {"installation_id": installation_id, "seq": seq}
        new = seq + 1000 if column == "seq" else other(row[column])
        await change(store, "audit", column, new, key)
        problem = (await verify(store, installation_id)).problem
        if column in key:
            key |= {column: new}
            assert problem is not None, column
            assert f"A row was deleted after row {seq - 1};" in problem
        else:
            assert problem == f"Row {seq} was changed: its content does not match its hash.", column
        await change(store, "audit", column, row[column], key)
    assert (await verify(store, installation_id)).problem is None


async def test_one_changed_byte_of_a_row_without_a_seal_is_found(
    store: Store, installation_id: int
) -> None:
    await write_rows(store, installation_id)
    row = (await rows_of(store, "audit", installation_id))[4]
    key = {"installation_id": installation_id, "seq": row["seq"]}
    for column in set(TABLES["audit"].names) - key.keys():
        await change(store, "audit", column, other(row[column]), key)
        problem = (await verify(store, installation_id)).problem
        assert problem is not None, column
        assert problem.startswith(f"Row {row['seq']} was changed")
        await change(store, "audit", column, row[column], key)


async def test_one_changed_byte_in_any_column_of_a_seal_is_found(
    store: Store, installation_id: int
) -> None:
    await sealed_rows(store, installation_id)
    await write_rows(store, installation_id)
    await seal(store)
    for row in await rows_of(store, "audit_seals", installation_id):
        for column in TABLES["audit_seals"].names:
            key = {"installation_id": installation_id, "number": row["number"]}
            old = row[column]
            new = 1 if old is None else "x" if old == "" else other(old)
            new = old + 1000 if column in key else new
            await change(store, "audit_seals", column, new, key)
            # The last seal under another installation is as good as deleted: its rows have none.
            expected = Expected(installation_id, row["number"], row["hash"])
            problem = (await verify(store, installation_id, expected)).problem
            assert problem is not None, (row["number"], column)
            key |= {column: new} if column in key else {}
            await change(store, "audit_seals", column, old, key)
    assert (await verify(store, installation_id)).problem is None


async def test_a_deleted_row_is_found(store: Store, installation_id: int) -> None:
    row = (await sealed_rows(store, installation_id))[2]
    q = "DELETE FROM audit WHERE installation_id = :i AND seq = :seq"
    await run(store, q, i=installation_id, seq=row["seq"])
    problem = (await verify(store, installation_id)).problem
    assert problem is not None
    assert problem.startswith(f"A row was deleted after row {row['seq'] - 1};")


async def insert_copy(store: Store, row: dict[str, Any], **changed: Any) -> None:
    """A row as somebody would make it who knows how the hashes are made."""
    made: Any = {**row, **changed}
    made["hash"] = records.hash_of(made)
    names = ", ".join(f":{name}" for name in made)
    await run(store, f"INSERT INTO audit ({', '.join(made)}) VALUES ({names})", **made)


async def test_a_row_that_was_replaced_with_its_hash_is_found(
    store: Store, installation_id: int
) -> None:
    row = (await sealed_rows(store, installation_id))[2]
    q = "DELETE FROM audit WHERE installation_id = :i AND seq = :seq"
    await run(store, q, i=installation_id, seq=row["seq"])
    await insert_copy(store, row, actor="eve")
    problem = (await verify(store, installation_id)).problem
    assert problem is not None
    assert problem.startswith(f"Row {row['seq']} was replaced;")


async def test_an_inserted_row_is_found(store: Store, installation_id: int) -> None:
    # Events take numbers too, so there are numbers without an audit row.
    await store.write(
        lambda tx: tx.run(
            "INSERT INTO heads (installation_id, seq) VALUES (:i, 5)", i=installation_id
        )
    )
    rows = await sealed_rows(store, installation_id)
    await insert_copy(store, rows[0], seq=3)
    problem = (await verify(store, installation_id)).problem
    assert problem is not None
    assert problem.startswith("Row 3 was inserted;")


async def test_a_row_that_was_swapped_with_one_of_another_installation_is_found(
    store: Store, installation_id: int
) -> None:
    stranger = installation_id + 1
    await sealed_rows(store, installation_id)
    await sealed_rows(store, stranger)
    q = "UPDATE audit SET installation_id = :to WHERE installation_id = :i AND seq = 3"
    for i, to in ((installation_id, -1), (stranger, installation_id), (-1, stranger)):
        await run(store, q, i=i, to=to)
    for each in (installation_id, stranger):
        problem = (await verify(store, each)).problem
        assert problem == "Row 3 was changed: its content does not match its hash."


async def cut_tail(store: Store, installation_id: int) -> Expected:
    """Delete the newest seal and its rows. Return what the log showed of it."""
    await sealed_rows(store, installation_id)
    await write_rows(store, installation_id)
    await seal(store)
    first, last = await rows_of(store, "audit_seals", installation_id)
    here = {"i": installation_id}
    q = "DELETE FROM audit WHERE installation_id = :i AND seq > :n"
    await run(store, q, n=first["to_seq"], **here)
    await run(store, "DELETE FROM audit_seals WHERE installation_id = :i AND number = 2", **here)
    return Expected(installation_id, 2, last["hash"][: seals.SHORT])


async def test_a_cut_tail_is_found_by_the_seal_that_the_log_showed(
    store: Store, installation_id: int
) -> None:
    expected = await cut_tail(store, installation_id)
    assert (await verify(store, installation_id)).problem is None
    assert (await verify(store, installation_id, expected)).problem == (
        "Seal 2 is missing, and seal 1 is the last: the newest rows were deleted."
    )


async def test_a_tail_that_was_cut_and_sealed_again_is_found_by_the_seal_that_the_log_showed(
    store: Store, installation_id: int
) -> None:
    expected = await cut_tail(store, installation_id)
    await write_rows(store, installation_id)
    await seal(store)
    assert (await verify(store, installation_id)).problem is None
    problem = (await verify(store, installation_id, expected)).problem
    assert problem is not None
    assert problem.endswith("was expected: the rows up to it were replaced.")


async def test_a_missing_seal_and_missing_oldest_seals_are_found(
    store: Store, installation_id: int
) -> None:
    for _ in range(3):
        await write_rows(store, installation_id, 1)
        await seal(store)
    q = "DELETE FROM audit_seals WHERE installation_id = :i AND number = :n"
    await run(store, q, i=installation_id, n=2)
    problem = (await verify(store, installation_id)).problem
    assert problem == "Seal 3 does not follow seal 1: a seal is missing."
    await run(store, q, i=installation_id, n=1)
    problem = (await verify(store, installation_id)).problem
    assert problem == "Seal 3 is the first, so the seals before it are missing."


async def test_seals_of_an_old_secret_verify_while_it_is_known(
    store: Store, installation_id: int
) -> None:
    await sealed_rows(store, installation_id)
    rotated = Keys("n" * 40, ["k" * 40])
    await write_rows(store, installation_id)
    await seal(store, rotated)
    assert (await verify(store, installation_id, keys=rotated)).problem is None
    problem = (await verify(store, installation_id, keys=Keys("n" * 40))).problem
    assert problem is not None
    assert f"has the key id {KEYS.id}" in problem


async def test_two_processes_that_seal_at_once_make_one_chain(
    store_url: str, clock: Clock, installation_id: int
) -> None:
    stores = [await open_store(store_url, clock) for _ in range(2)]
    for _ in range(5):
        await write_rows(stores[0], installation_id, 3)
        await asyncio.gather(*(sealing.step(each, KEYS, 0) for each in stores))
    await seal(stores[0])
    report = await verify(stores[1], installation_id)
    assert (report.problem, report.rows, report.unsealed) == (None, 15, 0)
    for each in stores:
        await each.close()


async def test_more_rows_than_one_seal_covers_get_several(
    store: Store, installation_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 2)
    await write_rows(store, installation_id, 5)
    await seal(store)
    report = await verify(store, installation_id)
    assert (report.problem, report.seals, report.rows) == (None, 3, 5)


async def retain(store: Store) -> None:
    times = RetentionTimes(deliveries=DAY, history=90 * DAY, grace=DAY)
    while await retention.step(store, KEYS, times, {}):
        pass


@pytest.fixture
async def own_store(own_url: str, clock: Clock) -> AsyncIterator[Store]:
    """With a database of its own, because retention looks at all installations."""
    opened = await open_store(own_url, clock)
    yield opened
    await opened.close()


async def test_retention_deletes_what_whole_seals_cover_and_the_rest_verifies(
    own_store: Store, installation_id: int, clock: Clock
) -> None:
    store = own_store
    await run(
        store,
        "INSERT INTO installations (installation_id, account, account_id, account_type, "
        "repository_selection, permissions, version) "
        "VALUES (:i, 'acme', 1, 'Organization', 'all', '{}', '')",
        i=installation_id,
    )
    first = (await sealed_rows(store, installation_id))[0]
    for _ in range(2):
        await write_rows(store, installation_id)
        await seal(store)
    clock.forward(60 * 24 * 3600)
    await write_rows(store, installation_id)
    await seal(store)
    clock.forward(40 * 24 * 3600)
    await retain(store)
    report = await verify(store, installation_id, Expected(installation_id, 1, "0"))
    assert (report.problem, report.rows, report.seals) == (None, 5, 2)
    await insert_copy(store, first)
    problem = (await verify(store, installation_id)).problem
    assert problem == "Row 1 was inserted: retention deleted the rows up to 15."


async def test_nobody_without_the_secret_can_say_that_retention_deleted_rows(
    store: Store, installation_id: int
) -> None:
    await sealed_rows(store, installation_id)
    await run(store, "DELETE FROM audit WHERE installation_id = :i", i=installation_id)
    q = "UPDATE audit_seals SET dropped_at = 1 WHERE installation_id = :i"
    await run(store, q, i=installation_id)
    problem = (await verify(store, installation_id)).problem
    assert problem == "Seal 1: its signature is wrong."


async def test_rows_from_before_there_were_hashes_are_sealed_too(
    store: Store, installation_id: int
) -> None:
    q = (
        "INSERT INTO audit (installation_id, seq, at, actor, operation, subject, data) "
        "VALUES (:i, 1, 1, 'ada', 'claim_task', '', '{}')"
    )
    await run(store, q, i=installation_id)
    await run(store, "INSERT INTO heads (installation_id, seq) VALUES (:i, 1)", i=installation_id)
    await seal(store)
    assert (await verify(store, installation_id)).problem is None
    q = "UPDATE audit SET actor = 'eve' WHERE installation_id = :i"
    await run(store, q, i=installation_id)
    problem = (await verify(store, installation_id)).problem
    assert problem is not None
    assert problem.startswith("Row 1 was replaced;")


@ON_SQLITE
async def test_a_row_waits_for_its_seal_until_it_is_a_minute_old(
    store: Store, installation_id: int, clock: Clock
) -> None:
    await write_rows(store, installation_id)
    assert await sealing.step(store, KEYS) == 0
    clock.forward(61)
    assert await sealing.step(store, KEYS) == 1
    assert await sealing.step(store, KEYS) == 0


def test_a_seal_has_a_short_name() -> None:
    assert seals.name(7, 3, secrets.token_hex(32)).startswith("7:3:")
