"""An upgrade: a filled database of the version before, and both versions on one database.

A migration only adds. What it replaces goes in a later release, once no server of the version
before runs any more. `REMOVED` lists what went, and each such migration stores in the table `facts`
the `oldest schema` that a program must know from then on.
"""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from store.engine import schema_version
from store.engine.migrate import engine, upgrade
from store.engine.schema_version import check, is_usable, newest, pending
from store.engine.transaction import StoreError
from tests.support.command_line import hubbub
from tests.support.server_process import settings

# The schema of the release before. After each release: its newest revision.
FORMER = "0036"
# Tables, and columns as `table.column`, that a migration removed after their time.
REMOVED: set[str] = set()
# Not of a release.
OF_THE_TOOLS = {"alembic_version", "migration_lock"}
SAMPLES: dict[type, Any] = {int: 7, str: "x", bytes: b"x", float: 7.0}


def columns(connection: sa.Connection) -> dict[str, dict[str, Any]]:
    """What the columns of each table are, by name."""
    found = sa.inspect(connection)
    return {
        table: {each["name"]: each for each in found.get_columns(table)}
        for table in found.get_table_names()
        if table not in OF_THE_TOOLS and not table.startswith("search_fts")
    }


def unique_keys(connection: sa.Connection, tables: set[str]) -> set[tuple[str, ...]]:
    found = sa.inspect(connection)
    keys = {(t, *found.get_pk_constraint(t)["constrained_columns"]) for t in tables}
    return keys | {
        (t, *(name or "" for name in each["column_names"]))
        for t in tables
        for each in found.get_indexes(t)
        if each["unique"]
    }


def fill(connection: sa.Connection) -> set[str]:
    """A row in each table of this schema. Return the tables that have one."""
    # Of the version before: the tables are read from the database, not from the code.
    metadata = sa.MetaData()
    metadata.reflect(connection)
    filled = set()
    for table in metadata.sorted_tables:
        if table.name not in OF_THE_TOOLS and "search" not in table.name:
            connection.execute(
                table.insert().values({c.name: SAMPLES[c.type.python_type] for c in table.c})
            )
            filled.add(table.name)
    return filled


def test_migrations_keep_the_rows_and_all_that_the_version_before_reads_and_writes(
    empty_url: str,
) -> None:
    upgrade(empty_url, FORMER)
    made = engine(empty_url)
    with made.begin() as connection:
        filled = fill(connection)
        before, keys = columns(connection), unique_keys(connection, filled)
        rows = {t: rows_of(connection, t, before[t]) for t in filled}
    upgrade(empty_url)
    with made.begin() as connection:
        after = columns(connection)
        for table, old in before.items():
            assert table in after or table in REMOVED, f"{table} is gone"
            gone = {f"{table}.{name}" for name in old.keys() - after.get(table, {}).keys()}
            assert gone <= REMOVED
        added = {
            f"{table}.{name}"
            for table in before
            for name, column in after[table].items()
            if name not in before[table] and not column["nullable"] and column["default"] is None
        }
        assert added == set(), "an INSERT of the version before does not name these columns"
        assert unique_keys(connection, filled) <= keys, "rows of the version before may be refused"
        narrower = {
            f"{table}.{name}"
            for table, old in before.items()
            for name, column in old.items()
            if (length(after[table][name]) or 0) < (length(column) or 0)
            or (column["nullable"] and not after[table][name]["nullable"])
        }
        assert narrower == set(), "values of the version before may not fit"
        assert {t: rows_of(connection, t, before[t]) for t in filled} == rows
    made.dispose()


def rows_of(connection: sa.Connection, table: str, names: dict[str, Any]) -> list[Any]:
    quoted = ", ".join(f'"{name}"' for name in sorted(names))
    return [tuple(row) for row in connection.exec_driver_sql(f"SELECT {quoted} FROM {table}")]


def length(column: Any) -> int | None:
    found: int | None = getattr(column["type"], "length", None)
    return found


async def test_the_plan_names_what_would_run_and_changes_nothing(
    empty_url: str, tmp_path: Path
) -> None:
    upgrade(empty_url, FORMER)
    given = settings(empty_url)
    code, out, err = await hubbub("migrate", "--check", folder=tmp_path, **given)
    assert (code, err) == (1, "")
    n = len(pending(empty_url))
    assert f"needs {n} migration" in out
    assert "Nothing was changed" in out
    assert "\n0039 Feature flags, and how calls ended with each on and off.\n" in out
    assert "       CREATE TABLE " in out
    assert schema_version.revision(empty_url) == FORMER
    assert (await hubbub("migrate", folder=tmp_path, **given))[0] == 0
    code, out, _ = await hubbub("migrate", "--check", folder=tmp_path, **given)
    assert (code, "needs no migration" in out) == (0, True)


def test_each_migration_has_a_title_and_says_what_it_changes(empty_url: str) -> None:
    plan = pending(empty_url)
    assert [each.revision for each in plan if not each.changes] == []
    assert [each.revision for each in plan if not each.title.endswith((".", ":"))] == []
    assert plan[-1].revision == newest()


def set_revision(url: str, revision: str, oldest: str | None = None) -> None:
    made = engine(url)
    with made.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
        if oldest:
            connection.exec_driver_sql(
                f"INSERT INTO facts (name, value) VALUES ('oldest schema', '{oldest}')"
            )
    made.dispose()


def test_this_version_goes_on_with_the_schema_of_a_newer_one_that_only_added(own_url: str) -> None:
    set_revision(own_url, "9000", oldest=newest())
    assert is_usable(own_url)
    assert check(own_url) is None
    assert pending(own_url) == []


async def test_a_schema_that_lacks_what_this_version_needs_is_refused(
    own_url: str, tmp_path: Path
) -> None:
    set_revision(own_url, "9000", oldest="8999")
    with pytest.raises(StoreError, match=r"9000, is of a newer Hubbub and needs one .* 8999"):
        is_usable(own_url)
    assert "install the newer version" in str(check(own_url))
    for words in (("serve",), ("migrate",), ("deliveries", "list")):
        code, _, err = await hubbub(*words, folder=tmp_path, **settings(own_url))
        assert (code, "install the newer version" in err) == (2, True), words
    code, out, _ = await hubbub("migrate", "--check", folder=tmp_path, **settings(own_url))
    assert (code, "install the newer version" in out) == (1, True)
