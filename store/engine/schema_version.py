"""Which schema a database has. Needs no library of migrations, because these are slow to load."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pymysql
from pymysql import err
from pymysql.constants import CLIENT

from store.engine.database import sqlite_path
from store.engine.mysql_address import Address, address
from store.engine.mysql_connection import NO_TLS
from store.engine.mysql_errors import unreachable
from store.engine.mysql_session import migration_settings
from store.engine.transaction import StoreError

MIGRATIONS = Path(__file__).parents[1] / "migrations"
# How long the server may take to say which schema it has. A migration itself may take longer.
LOOK_S = 30
STORED = "SELECT version_num FROM alembic_version"
HAS_VERSION = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
# MySQL's code for a table that does not exist.
NO_TABLE = 1146


def newest() -> str:
    """The newest revision that this code knows."""
    return max(path.name.partition(".")[0] for path in (MIGRATIONS / "sql").glob("*.sql"))


def is_newest(url: str) -> bool:
    return _has_file(url) and revision(url) == newest()


def is_empty(url: str) -> bool:
    """Whether there is no schema yet. Changes nothing."""
    return not _has_file(url) or revision(url) is None


def check(url: str) -> str | None:
    """What is wrong with the schema, or None. Changes nothing."""
    if (path := sqlite_path(url)) and not _has_file(url):
        return f"there is no file {Path(path).resolve()}; `hubbub migrate` or `serve` makes it"
    found = revision(url)
    if found == newest():
        return None
    return f"the schema is at {found or 'nothing'}, not at {newest()}: run `hubbub migrate`"


def _has_file(url: str) -> bool:
    path = sqlite_path(url)
    return path is None or Path(path).exists()


def revision(url: str) -> str | None:
    """The revision of the schema, or None if there is none. A SQLite file must exist."""
    path = sqlite_path(url)
    return _stored_in_file(url, path) if path else _stored_on_server(address(url))


def _stored_in_file(url: str, path: str) -> str | None:
    try:
        with closing(sqlite3.connect(path, timeout=LOOK_S)) as connection:
            found = connection.execute(HAS_VERSION).fetchone()
            row = connection.execute(STORED).fetchone() if found else None
    except sqlite3.DatabaseError as exc:
        raise StoreError(
            f"Cannot use {url}: {exc}. HUBBUB_DATABASE_URL must name a SQLite file."
        ) from exc
    return str(row[0]) if row else None


def _stored_on_server(where: Address) -> str | None:
    try:
        with closing(connect(where, LOOK_S)) as connection, connection.cursor() as cursor:
            cursor.execute(STORED)
            row = cursor.fetchone()
    except err.ProgrammingError as exc:
        if exc.args[:1] != (NO_TABLE,):
            raise
        return None
    except err.OperationalError as exc:
        raise unreachable(where, exc) from exc
    return str(row[0]) if row else None


class Connection(pymysql.Connection):
    def _request_authentication(self) -> None:
        # PyMySQL would go on without TLS, and an attacker in between could ask for that.
        if self.ssl and not self.server_capabilities & CLIENT.SSL:  # type: ignore[attr-defined]
            raise err.OperationalError(NO_TLS, "the server does not offer TLS")
        super()._request_authentication()  # type: ignore[misc]


def connect(where: Address, answer_s: float | None = None) -> Connection:
    """A connection that blocks. `answer_s`: how long the server may take for an answer."""
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
