"""Brings a database to the schema of `store.tables`.

A revision is plain SQL, one text for each engine, in `migrations/sql/`. On MySQL a DDL
statement commits by itself, so each is written to do nothing the second time.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
import sqlalchemy as sa
from pymysql import err
from pymysql.constants import CLIENT

from store.engine.database import sqlite_path
from store.engine.mysql_address import address
from store.engine.mysql_errors import unreachable
from store.engine.mysql_pool import NO_TLS
from store.engine.mysql_session import flavour, migration_settings
from store.engine.transaction import StoreError

MIGRATIONS = Path(__file__).parents[1] / "migrations"
# How long the server may take to say which schema it has. A migration itself may take longer.
LOOK_S = 30
# How long another process may take to migrate.
LOCK_WAIT_S = 300
# MySQL's codes for a column and a key that exist, and for one that is dropped.
THERE_ALREADY = ((1060,), (1061,), (1091,))
# Marks a statement that some servers do not support and that Hubbub does not require.
OPTIONAL = "-- Optional\n"


def statements(revision: str, dialect: str) -> list[str]:
    text = (MIGRATIONS / "sql" / f"{revision}.{dialect}.sql").read_text()
    return [each.strip() for each in text.split(";\n") if each.strip()]


def run_statements(revision: str) -> None:
    """For a revision's `upgrade()`."""
    from alembic import op  # noqa: PLC0415 - slow to load, and seldom needed

    connection = op.get_bind()
    dialect = "sqlite" if connection.dialect.name == "sqlite" else "mysql"
    collation = "" if dialect == "sqlite" else flavour(_version(connection)).collation
    table_options = "" if dialect == "sqlite" else _engine_options(connection)
    for each in statements(revision, dialect):
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


def head() -> str:
    """The newest revision."""
    return max(path.name.partition(".")[0] for path in (MIGRATIONS / "sql").glob("*.sql"))


def upgrade(url: str, to: str = "head") -> None:
    """Migrate to the newest schema. Blocks; processes that start together take turns."""
    if (path := sqlite_path(url)) and not Path(path).exists():
        _make(Path(path))
    if _stored_revision(url) == head():
        return
    with _connection(url) as connection, _migration_lock(url, connection):
        _upgrade(connection, to)


def _make(path: Path) -> None:
    """Create the file for its owner only, because it mirrors private repositories."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as exc:
        raise StoreError(
            f"Cannot make the SQLite file {path.resolve()}: {exc.strerror}. HUBBUB_DATABASE_URL "
            "must name a file in a folder that can be written to."
        ) from exc


def is_empty(url: str) -> bool:
    """Whether there is no schema yet. Changes nothing."""
    path = sqlite_path(url)
    return (path is not None and not Path(path).exists()) or _stored_revision(url) is None


def check(url: str) -> str | None:
    """What is wrong with the schema, or None. Changes nothing."""
    if (path := sqlite_path(url)) and not Path(path).exists():
        return f"there is no file {Path(path).resolve()}; `hubbub migrate` or `serve` makes it"
    found = _stored_revision(url)
    if found == head():
        return None
    return f"the schema is at {found or 'nothing'}, not at {head()}: run `hubbub migrate`"


def _upgrade(connection: sa.Connection, to: str) -> None:
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _stored_revision(url: str) -> str | None:
    """The revision of the schema."""
    with _connection(url, LOOK_S) as connection:
        return _revision(connection)


def _revision(connection: sa.Connection) -> str | None:
    found = None
    if sa.inspect(connection).has_table("alembic_version"):
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        found = str(row[0]) if row else None
    connection.rollback()
    return found


def _version(connection: sa.Connection) -> str:
    return str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())


class Connection(pymysql.Connection):
    def _request_authentication(self) -> None:
        # PyMySQL would go on without TLS, and an attacker in between could ask for that.
        if self.ssl and not self.server_capabilities & CLIENT.SSL:  # type: ignore[attr-defined]
            raise err.OperationalError(NO_TLS, "the server does not offer TLS")
        super()._request_authentication()  # type: ignore[misc]


def engine(url: str, answer_s: float | None = None) -> sa.Engine:
    """`answer_s`: how long a MySQL may take for an answer."""
    if path := sqlite_path(url):
        # A URL in a text would be decoded: % and ? are letters of a path here.
        made = sa.create_engine(sa.URL.create("sqlite", database=path), poolclass=sa.NullPool)
        sa.event.listen(made, "connect", _no_implicit_transactions)
        sa.event.listen(made, "begin", _begin_immediate)
        return made
    where = address(url)

    def connect() -> Connection:
        made = Connection(
            host=where.host,
            port=where.port,
            user=where.user,
            password=where.password,
            database=where.database,
            ssl=where.ssl(),
            charset="utf8mb4",
            connect_timeout=10,
            read_timeout=answer_s,
            # A row that is found counts, as SQLAlchemy expects.
            client_flag=CLIENT.FOUND_ROWS,
        )
        made.query(migration_settings(str(made.server_version)))  # type: ignore[attr-defined]
        return made

    return sa.create_engine("mysql+pymysql://", poolclass=sa.NullPool, creator=connect)


def _no_implicit_transactions(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_S * 1000}")


def _begin_immediate(connection: sa.Connection) -> None:
    # With DDL inside, so that a migration killed half-way leaves nothing.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _connection(url: str, answer_s: float | None = None) -> Iterator[sa.Connection]:
    made = engine(url, answer_s)
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
