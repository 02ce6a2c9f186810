"""Brings a database to the schema of `store.tables`.

A revision is plain SQL, one text for each engine, in `migrations/sql/`. On MySQL a DDL
statement commits by itself, so each is written to do nothing the second time.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from pymysql import err

from store.engine import schema_version
from store.engine.database import sqlite_path
from store.engine.mysql_address import address
from store.engine.mysql_errors import unreachable
from store.engine.mysql_session import flavour
from store.engine.transaction import StoreError
from store.tables import TABLES

# How long another process may take to migrate.
LOCK_WAIT_S = 300
# MySQL's codes for a table, a column and a key that exist, and for one that is dropped.
THERE_ALREADY = ((1050,), (1060,), (1061,), (1091,))
# Marks a statement that some servers do not support and that Hubbub does not require.
OPTIONAL = "-- Optional\n"
# Where Vitess has brought the tables up to date, only these statements of a revision run.
CHANGES_ROWS = ("INSERT ", "UPDATE ", "DELETE ")
ROWS_ONLY = "rows only"
# MySQL's codes for a table and a column that do not exist.
NOT_THERE = ((1146,), (1054,))


def statements(revision: str, dialect: str) -> list[str]:
    text = (schema_version.MIGRATIONS / "sql" / f"{revision}.{dialect}.sql").read_text()
    return [each.strip() for each in text.split(";\n") if each.strip()]


def run_statements(revision: str) -> None:
    """For a revision's `upgrade()`."""
    connection = op.get_bind()
    dialect = "sqlite" if connection.dialect.name == "sqlite" else "mysql"
    collation = "" if dialect == "sqlite" else flavour(_version(connection)).collation
    table_options = "" if dialect == "sqlite" else _engine_options(connection)
    changes_rows_only = op.get_context().config.attributes.get(ROWS_ONLY, False)  # type: ignore[union-attr]
    for each in statements(revision, dialect):
        if changes_rows_only and not each.startswith(CHANGES_ROWS):
            continue
        text = each.replace("{collation}", collation).replace("ENGINE=InnoDB", table_options)
        run_statement(connection, text)


def _engine_options(connection: sa.Connection) -> str:
    """The engine of a table, with the row format if the server's default has too short keys.

    In the formats COMPACT and REDUNDANT a column of a key has 767 bytes at most.
    """
    asked = "SHOW VARIABLES LIKE 'innodb_default_row_format'"
    found = connection.exec_driver_sql(asked).first()
    is_dynamic = found is None or str(found[1]).lower() == "dynamic"
    return "ENGINE=InnoDB" if is_dynamic else "ENGINE=InnoDB ROW_FORMAT=DYNAMIC"


def run_statement(connection: sa.Connection, statement: str) -> None:
    """Run a DDL statement. A migration killed half-way on MySQL may have run it already."""
    try:
        connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError as exc:
        there = exc.orig is not None and exc.orig.args[:1] in THERE_ALREADY
        if not (there or statement.startswith(OPTIONAL)):
            raise


def upgrade(url: str, to: str = "head") -> None:
    """Migrate to the newest schema. Blocks; processes that start together take turns."""
    if (path := sqlite_path(url)) and not Path(path).exists():
        _make(Path(path))
    with _connection(url) as connection, _migration_lock(url, connection):
        _upgrade(connection, to)


def drop(url: str, tables: Iterable[str]) -> None:
    """Drop the tables in this order."""
    with _connection(url) as connection, _migration_lock(url, connection):
        for each in tables:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {each}")


def _make(path: Path) -> None:
    """Create the file for its owner only, because it mirrors private repositories."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as exc:
        raise StoreError(
            f"Cannot make the SQLite file {path.resolve()}: {exc.strerror}. HUBBUB_DATABASE_URL "
            "must name a file in a folder that can be written to."
        ) from exc


def _upgrade(connection: sa.Connection, to: str) -> None:
    config = alembic_config(connection)
    if is_vitess(connection) and has_all_columns(connection):
        follow(connection, config)
    else:
        command.upgrade(config, to)


def alembic_config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(schema_version.MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def is_vitess(connection: sa.Connection) -> bool:
    return connection.dialect.name != "sqlite" and flavour(_version(connection)).is_vitess


def has_all_columns(connection: sa.Connection) -> bool:
    """Whether the tables are up to date, because Vitess' own tools changed them on all shards."""
    for table in TABLES.values():
        try:
            connection.exec_driver_sql(
                f"SELECT {', '.join(table.names)} FROM {table.name} WHERE 1 = 0"
            )
        except sa.exc.DBAPIError as exc:
            if exc.orig is not None and exc.orig.args[:1] in NOT_THERE:
                return False
            raise
    return True


def follow(connection: sa.Connection, config: Config) -> None:
    """Store the newest revision. Before that, change the rows of a database that has an older."""
    has_older = MigrationContext.configure(connection).get_current_revision() is not None
    config.attributes[ROWS_ONLY] = True
    if has_older:
        command.upgrade(config, "head")
    else:
        command.stamp(config, "head")


def _version(connection: sa.Connection) -> str:
    return str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())


def engine(url: str) -> sa.Engine:
    if path := sqlite_path(url):
        # A URL in a text would be decoded: % and ? are letters of a path here.
        made = sa.create_engine(sa.URL.create("sqlite", database=path), poolclass=sa.NullPool)
        sa.event.listen(made, "connect", _no_implicit_transactions)
        sa.event.listen(made, "begin", _begin_immediate)
        return made
    where = address(url)

    return sa.create_engine(
        "mysql+pymysql://", poolclass=sa.NullPool, creator=lambda: schema_version.connect(where)
    )


def _no_implicit_transactions(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_S * 1000}")


def _begin_immediate(connection: sa.Connection) -> None:
    # With DDL inside, so that a migration killed half-way leaves nothing.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _connection(url: str) -> Iterator[sa.Connection]:
    made = engine(url)
    try:
        with made.connect() as connection:
            yield connection
    except sa.exc.DatabaseError as exc:
        if sqlite_path(url):
            raise StoreError(
                f"Cannot use {url}: {exc.orig}. HUBBUB_DATABASE_URL must name a SQLite file."
            ) from exc
        if not isinstance(exc, sa.exc.OperationalError):
            raise
        raise unreachable(address(url), err.OperationalError(*exc.orig.args)) from exc  # type: ignore[union-attr]
    finally:
        made.dispose()


@contextmanager
def _migration_lock(url: str, connection: sa.Connection) -> Iterator[None]:
    """Let one process migrate at a time. The lock ends with its connection, so a kill frees it."""
    if connection.dialect.name == "sqlite":
        # The transaction is the lock. Alembic's own would end after each revision, and another
        # process could run the next one in between.
        with connection.begin():
            yield
        return
    if is_vitess(connection):
        # Vitess ends a transaction after 20 seconds. Each statement does nothing the second time.
        yield
        connection.commit()
        return
    made = engine(url)
    with made.connect() as lock:
        lock.exec_driver_sql("CREATE TABLE IF NOT EXISTS migration_lock (id INT PRIMARY KEY)")
        lock.exec_driver_sql(
            "INSERT INTO migration_lock (id) VALUES (1) ON DUPLICATE KEY UPDATE id = 1"
        )
        lock.commit()
        lock.exec_driver_sql(f"SET innodb_lock_wait_timeout = {LOCK_WAIT_S}")
        lock.exec_driver_sql("SELECT id FROM migration_lock WHERE id = 1 FOR UPDATE")
        try:
            yield
            connection.commit()
        finally:
            lock.rollback()
    made.dispose()
