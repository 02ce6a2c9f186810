import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from store.engine import ids, sequences, sql
from store.engine.database import open_store
from store.engine.migrate import engine, upgrade
from store.engine.mysql_address import address
from store.engine.mysql_session import flavour
from store.engine.schema_version import MIGRATIONS, check, newest
from store.engine.transaction import Row, Store, StoreError, Tx, Work
from store.tables.schema import metadata
from tests.conftest import MariaDB


async def names(tx: Tx) -> list[str]:
    return [r["value"] for r in await tx.all("SELECT value FROM facts ORDER BY name")]


async def put_fact(tx: Tx, name: str, value: str) -> None:
    await tx.run("DELETE FROM facts WHERE name = :n", n=name)
    await tx.run(sql.insert("facts", ("name", "value")), name=name, value=value)


async def fact(store: Store, name: str) -> str | None:
    async def work(tx: Tx) -> str | None:
        row = await tx.one("SELECT value FROM facts WHERE name = :n", n=name)
        return row["value"] if row else None

    return await store.read(work)


def shape(url: str) -> dict[str, Any]:
    """The whole schema as the engine words it."""
    made = engine(url)
    with made.connect() as connection:
        if url.startswith("sqlite"):
            rows = connection.exec_driver_sql(
                "SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL"
            ).all()
            found: dict[str, Any] = {
                # Columns in any order are the same table; `ALTER TABLE` puts its own last.
                name: sorted(
                    tuple(each)[1:]
                    for each in connection.exec_driver_sql(f"PRAGMA table_info({name})").all()
                )
                if kind == "table"
                else " ".join(text.split())
                for name, kind, text in rows
            }
        else:
            tables = sa.inspect(connection).get_table_names()
            told = {
                t: connection.exec_driver_sql(f"SHOW CREATE TABLE {t}").one()[1] for t in tables
            }
            # Keys in any order are the same table.
            found = {t: sorted(x.strip(", ") for x in s.split("\n")) for t, s in told.items()}
    made.dispose()
    return {k: v for k, v in found.items() if k not in ("alembic_version", "migration_lock")}


def test_ids_of_one_moment_sort_in_the_order_in_which_they_were_made() -> None:
    made = [ids.new("t", 1_800_000_000_000_000) for _ in range(50)]
    assert sorted(set(made)) == made


def test_migrations_build_the_tables_as_defined(
    empty_url: str, mariadb: MariaDB, tmp_path: Path
) -> None:
    upgrade(empty_url)
    other = mariadb.create() if empty_url.startswith("mysql") else f"sqlite:///{tmp_path}/other.db"
    made = engine(other)
    metadata.create_all(made)
    made.dispose()
    assert shape(empty_url) == shape(other)


def test_a_filled_database_of_the_first_schema_keeps_its_rows(empty_url: str) -> None:
    upgrade(empty_url, "0001")
    made = engine(empty_url)
    with made.begin() as connection:
        for table in metadata.sorted_tables:
            if table.name in sa.inspect(connection).get_table_names():
                old = {c["name"] for c in sa.inspect(connection).get_columns(table.name)}
                connection.execute(table.insert().values(row_of(table, old)))
    upgrade(empty_url)
    with made.connect() as connection:
        assert connection.execute(sa.select(metadata.tables["issues"].c.node_id)).all() == [("",)]
        for name in ("installations", "deliveries", "tasks", "pending_reads", "writes"):
            assert connection.execute(sa.select(metadata.tables[name])).all(), name
    made.dispose()
    assert check(empty_url) is None


def row_of(table: sa.Table, columns: set[str]) -> dict[str, Any]:
    """Something in each of these columns."""
    made: dict[type[sa.types.TypeEngine[Any]], Any] = {
        sa.LargeBinary: b"x",
        sa.BigInteger: 7,
        sa.Integer: 1,
    }
    return {
        c.name: next((v for t, v in made.items() if isinstance(c.type, t)), "x")
        for c in table.columns
        if c.name in columns
    }


def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    code = "import sys; from store.engine.migrate import upgrade; upgrade(sys.argv[1])"
    started = [
        subprocess.Popen([sys.executable, "-c", code, empty_url], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [p.communicate()[1].decode() for p in started] == [""] * 4
    assert check(empty_url) is None


def test_another_process_may_migrate_before_each_transaction_of_this_one_on_sqlite(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    code = "import sys; from store.engine.migrate import upgrade; upgrade(*sys.argv[1:])"
    revisions = iter(("0001", "0002", "head"))

    def migrate_elsewhere(_: sa.Connection) -> None:
        if revision := next(revisions, None):
            subprocess.run([sys.executable, "-c", code, url, revision], check=True)

    sa.event.listen(sa.Engine, "begin", migrate_elsewhere)
    try:
        upgrade(url)
    finally:
        sa.event.remove(sa.Engine, "begin", migrate_elsewhere)
    assert check(url) is None


def test_a_database_without_schema_says_what_to_type(empty_url: str) -> None:
    assert "hubbub migrate" in str(check(empty_url))


def test_the_newest_revision_is_alembics() -> None:
    assert newest() == ScriptDirectory(str(MIGRATIONS)).get_current_head()


async def test_a_failed_transaction_leaves_nothing(store: Store, installation_id: int) -> None:
    name = f"fact {installation_id}"

    async def work(tx: Tx) -> None:
        await put_fact(tx, name, "half done")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.write(work)
    assert await fact(store, name) is None


async def test_a_cancelled_caller_does_not_tear_its_transaction_apart(
    store: Store, installation_id: int
) -> None:
    name = f"fact {installation_id}"
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(tx: Tx) -> None:
        tx.rings.add("committed")
        await put_fact(tx, name, "first")
        begun.set()
        await go_on.wait()
        await put_fact(tx, name, "second")

    ticket = store.bell.ticket("committed")
    caller = asyncio.create_task(store.write(work))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    assert await store.bell.wait("committed", ticket, 10)
    assert await fact(store, name) == "second"


async def test_readers_by_cursor_never_miss_a_late_commit(
    store: Store, installation_id: int
) -> None:
    writers, each = 8, 25

    async def one(tx: Tx) -> None:
        now = await tx.now()
        row = {"at": now, "kind": "k", "subject": "s", "actor": "a", "data": "{}"}
        sequences.append(tx, "events", installation_id, row)

    async def writer() -> None:
        for _ in range(each):
            await store.write(one)

    seen: list[int] = []

    async def look(tx: Tx) -> list[int]:
        q = "SELECT seq FROM events WHERE installation_id = :i AND seq > :after ORDER BY seq"
        after = seen[-1] if seen else 0
        return [r["seq"] for r in await tx.all(q, i=installation_id, after=after)]

    async def reader(done: asyncio.Event) -> None:
        while not done.is_set():
            seen.extend(await store.read(look))
            await asyncio.sleep(0)
        seen.extend(await store.read(look))

    done = asyncio.Event()
    reading = asyncio.create_task(reader(done))
    await asyncio.gather(*(writer() for _ in range(writers)))
    done.set()
    await reading
    assert seen == list(range(1, writers * each + 1))


async def test_a_transaction_is_run_again_after_a_deadlock_on_mysql(
    migrated_mysql_url: str, installation_id: int
) -> None:
    store = await open_store(migrated_mysql_url)
    a, b = f"a {installation_id}", f"b {installation_id}"

    async def both(tx: Tx) -> None:
        await put_fact(tx, a, "0")
        await put_fact(tx, b, "0")

    await store.write(both)
    met = asyncio.Barrier(2)
    runs = 0

    def crossing(first: str, second: str) -> Work[None]:
        held = False

        async def work(tx: Tx) -> None:
            nonlocal held, runs
            runs += 1
            bump = "UPDATE facts SET value = value + 1 WHERE name = :n"
            await tx.run(bump, n=first)
            if not held:
                held = True
                await met.wait()
            await tx.run(bump, n=second)

        return work

    await asyncio.gather(store.write(crossing(a, b)), store.write(crossing(b, a)))
    assert (await fact(store, a), await fact(store, b)) == ("2", "2")
    assert runs > 2
    await store.close()


async def test_a_killed_connection_is_replaced_and_the_work_done_once_on_mysql(
    mariadb: MariaDB, migrated_mysql_url: str, installation_id: int
) -> None:
    store = await open_store(migrated_mysql_url)
    name = f"fact {installation_id}"
    killed = False

    async def work(tx: Tx) -> None:
        nonlocal killed
        await put_fact(tx, name, "done")
        if not killed:
            killed = True
            row = await tx.one("SELECT CONNECTION_ID() AS id")
            assert row is not None
            mariadb.execute(f"KILL {row['id']}")
        await put_fact(tx, name + "'", "done too")

    await store.write(work)
    assert await fact(store, name) == "done"
    await store.close()


@pytest.mark.parametrize("folder", ["feature%2Fx", "c# and what?"])
async def test_a_path_is_taken_letter_by_letter_on_sqlite(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    url = f"sqlite:///{tmp_path / folder / 'hubbub.db'}"
    upgrade(url)
    store = await open_store(url)
    assert await store.read(lambda tx: tx.all("SELECT id FROM tasks")) == []
    await store.close()
    assert os.listdir(tmp_path) == [folder]  # noqa: PTH208 - a test's folder


async def test_two_processes_share_one_sqlite_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    upgrade(url)
    mine, theirs = await open_store(url), await open_store(url)

    async def add(tx: Tx) -> None:
        sequences.append(
            tx, "events", 1, {"at": 1, "kind": "k", "subject": "s", "actor": "a", "data": "{}"}
        )

    await asyncio.gather(*(s.write(add) for s in (mine, theirs) for _ in range(50)))
    row = await mine.read(lambda tx: tx.one("SELECT MAX(seq) AS n FROM events"))
    assert row == {"n": 100}
    await mine.close()
    await theirs.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://x/y", "must be sqlite:///"),
        ("mysql:///name", "the host is missing"),
        ("mysql://host/", "the name of the database is missing"),
        ("mysql://nobody:x@127.0.0.1:1/name", "127.0.0.1:1 as nobody"),
        ("sqlite:////no/such/folder/x.db", "must name a file in a folder"),
    ],
)
async def test_a_wrong_address_says_which_setting_to_mend(url: str, said: str) -> None:
    with pytest.raises(StoreError, match="HUBBUB_DATABASE_URL") as refused:
        await open_store(url)
    assert said in str(refused.value)


async def test_both_engines_keep_text_and_bytes_as_they_are(
    store: Store, installation_id: int
) -> None:
    odd = ["🦑 \u202eright to left", "a ", "a", "100 % :name '\"\\ \x00", "ÄÖ" * 200]
    keys = [f"{installation_id} {n}" for n in range(len(odd))]

    async def work(tx: Tx) -> None:
        for k, v in zip(keys, odd, strict=True):
            await put_fact(tx, k, v)

    await store.write(work)
    assert [await fact(store, k) for k in keys] == odd


async def test_both_engines_keep_every_byte_and_every_character_of_ascii(
    store: Store, installation_id: int
) -> None:
    everything = bytes(range(256)) * 2 + b"\\'\\\\''\\"
    text = everything.decode("ascii", "ignore")
    given = {"payload": everything, "error": text}
    columns = ("installation_id", "guid", "event", "action", "state", "not_before", "received_at")
    row = dict.fromkeys(columns, 1) | {"installation_id": installation_id, **given}
    await store.write(lambda tx: tx.run(sql.insert("deliveries", tuple(row)), **row))
    q = "SELECT payload, error FROM deliveries WHERE installation_id = :i AND payload = :p"
    rows = await store.read(lambda tx: tx.all(q, i=installation_id, p=everything))
    assert rows == [given]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 3, 1)])
async def test_an_older_row_never_replaces_a_newer_one(
    store: Store, installation_id: int, order: tuple[int, ...]
) -> None:
    columns = ("installation_id", "id", "repository_id", "name", "color", "description", "version")
    text = sql.upsert(store.dialect, "labels", columns, ("installation_id", "id"), "version")

    async def work(tx: Tx) -> None:
        for n in order:
            row = dict.fromkeys(columns, str(n)) | {"installation_id": installation_id}
            await tx.run(text, **row | {"id": 1, "repository_id": 1})

    await store.write(work)
    q = "SELECT name, color, version FROM labels WHERE installation_id = :i"
    rows = await store.read(lambda tx: tx.all(q, i=installation_id))
    assert rows == [{"name": "3", "color": "3", "version": "3"}]


LABEL = ("installation_id", "id", "repository_id", "name", "color", "description", "version")


def label(installation_id: int, n: int, version: int) -> Row:
    row = dict.fromkeys(LABEL, str(version))
    return row | {"installation_id": installation_id, "id": n, "repository_id": 1}


async def statement_counts(tx: Tx, *names: str) -> list[int]:
    """What this connection sent to a MySQL or MariaDB so far."""
    rows = await tx.all("SHOW SESSION STATUS LIKE 'Com%'")
    found = {row["Variable_name"]: row["Value"] for row in rows}
    return [int(found[name]) for name in names]


async def test_an_upsert_costs_one_statement_and_asks_for_no_warnings_on_mysql(
    migrated_mysql_url: str, installation_id: int
) -> None:
    """MySQL 9 counts a warning for each `VALUES(column)`, and the driver asks for its text."""
    store = await open_store(migrated_mysql_url)
    text = sql.upsert(store.dialect, "labels", LABEL, ("installation_id", "id"), "version")

    async def work(tx: Tx) -> list[int]:
        before = await statement_counts(tx, "Com_insert", "Com_show_warnings")
        for n in range(100):
            await tx.run(text, **label(installation_id, n % 50, n))
        after = await statement_counts(tx, "Com_insert", "Com_show_warnings")
        return [b - a for a, b in zip(before, after, strict=True)]

    assert await store.write(work) == [100, 0]
    await store.close()


async def test_many_upserts_are_one_statement_and_keep_the_newer_rows_on_mysql(
    migrated_mysql_url: str, installation_id: int
) -> None:
    store = await open_store(migrated_mysql_url)
    text = sql.upsert(store.dialect, "labels", LABEL, ("installation_id", "id"), "version")

    async def sent(tx: Tx, rows: Sequence[Row]) -> int:
        (before,) = await statement_counts(tx, "Com_insert")
        await tx.many(text, rows)
        (after,) = await statement_counts(tx, "Com_insert")
        return after - before

    async def work(tx: Tx) -> list[int]:
        first = await sent(tx, [label(installation_id, n, 5) for n in range(50)])
        odd = {"color": "100 % :name '\"\\ 🦑"}
        mixed = [{**label(installation_id, n, 4 + n % 3), **odd} for n in range(50)]
        return [first, await sent(tx, mixed), await sent(tx, [])]

    assert await store.write(work) == [1, 1, 0]
    q = "SELECT id, version, color FROM labels WHERE installation_id = :i ORDER BY id"
    rows = await store.read(lambda tx: tx.all(q, i=installation_id))
    assert [row["version"] for row in rows] == ["6" if n % 3 == 2 else "5" for n in range(50)]
    assert {row["color"] for row in rows} == {"5", "100 % :name '\"\\ 🦑"}
    await store.close()


@pytest.mark.parametrize(
    ("version", "upserts"),
    [
        ("9.7.4", "AS new ON DUPLICATE KEY UPDATE value = new.value"),
        ("8.0.36-28", "AS new ON DUPLICATE KEY UPDATE value = new.value"),
        ("10.11.14-MariaDB-0+deb12u2", "ON DUPLICATE KEY UPDATE value = VALUES(value)"),
        ("8.0.11-TiDB-v8.5.0", "ON DUPLICATE KEY UPDATE value = VALUES(value)"),
        ("8.0.30-Vitess", "ON DUPLICATE KEY UPDATE value = VALUES(value)"),
    ],
)
def test_an_upsert_names_the_new_row_as_the_server_understands_it(
    version: str, upserts: str
) -> None:
    text = sql.upsert(flavour(version).dialect, "facts", ("name", "value"), ("name",))
    assert text == f"INSERT INTO facts (name, value) VALUES (:name, :value) {upserts}"


async def test_upserts_too_long_for_one_statement_are_several_on_mysql(
    migrated_mysql_url: str, installation_id: int
) -> None:
    store = await open_store(migrated_mysql_url)
    text = sql.upsert(store.dialect, "facts", ("name", "value"), ("name",))
    facts = [{"name": f"{installation_id} {n}", "value": "x" * 500} for n in range(4500)]

    async def work(tx: Tx) -> int:
        (before,) = await statement_counts(tx, "Com_insert")
        await tx.many(text, facts)
        (after,) = await statement_counts(tx, "Com_insert")
        return after - before

    assert await store.write(work) == 3
    q = "SELECT COUNT(*) AS n FROM facts WHERE name LIKE :names"
    row = await store.read(lambda tx: tx.one(q, names=f"{installation_id} %"))
    assert row == {"n": 4500}
    await store.close()


def test_a_database_with_the_servers_defaults_is_migrated_to_our_collation_on_mysql(
    mariadb: MariaDB,
) -> None:
    url = mariadb.create("CHARACTER SET latin1")
    upgrade(url)
    found = mariadb.execute(
        "SELECT table_name, table_collation FROM information_schema.tables "
        f"WHERE table_schema = '{address(url).database}'"
    )
    ours = {name: collation for name, collation in found if name in metadata.tables}
    assert ours == dict.fromkeys(metadata.tables, mariadb.flavour.collation)
    columns = mariadb.execute(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns "
        f"WHERE table_schema = '{address(url).database}' AND collation_name IS NOT NULL"
    )
    others = {each for each in columns if each[2] != mariadb.flavour.collation}
    assert {each for each in others if each[0] in metadata.tables} == {
        ("search_texts", "terms", "ascii_bin")
    }


@given(st.text(alphabet="ab:'\"`%-/*\n _1"))
def test_translation_keeps_what_is_quoted(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    translated = sql.for_mysql(f"SELECT {quoted}, :name")
    assert translated == f"SELECT {quoted.replace('%', '%%')}, %(name)s"


def test_a_backslash_in_sql_is_refused() -> None:
    with pytest.raises(ValueError, match="backslash"):
        sql.for_mysql("SELECT 'a\\b'")


def test_an_empty_list_matches_nothing() -> None:
    assert sql.spread_lists("x IN :ids", {"ids": []}) == ("x IN (NULL)", {})
