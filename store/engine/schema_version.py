"""Which schema a database has. Needs no library of migrations, because these are slow to load."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
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
# The oldest revision that a program must know, if a migration removed what older ones need.
OLDEST = "SELECT value FROM facts WHERE name = 'oldest schema'"
# The statement and the table of a migration, for the plan.
CHANGE = re.compile(
    r"^(?:-- Optional\n)?((?:CREATE (?:UNIQUE |FULLTEXT )?(?:VIRTUAL )?TABLE|CREATE (?:\w+ )?INDEX|"
    r"ALTER TABLE|UPDATE|INSERT INTO|DELETE FROM|DROP TABLE|DROP INDEX)(?: IF (?:NOT )?EXISTS)? \w+"
    r"(?: ON \w+)?(?: ADD COLUMN \w+)?)",
    re.MULTILINE,
)
HAS_VERSION = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
# MySQL's code for a table that does not exist.
NO_TABLE = 1146


def newest() -> str:
    """The newest revision that this code knows."""
    return max(path.name.partition(".")[0] for path in (MIGRATIONS / "sql").glob("*.sql"))


def is_known(revision: str) -> bool:
    """Whether this code has a migration to this revision."""
    known = {path.name.partition(".")[0] for path in (MIGRATIONS / "sql").glob("*.sql")}
    return revision in known


def is_usable(url: str) -> bool:
    """Whether this program needs no migration. Raise StoreError if the schema is too new for it."""
    found = revision(url) if _has_file(url) else None
    if found and (wrong := _why_too_new(url, found)):
        raise StoreError(f"The database cannot be used: {wrong}.")
    return found is not None and found >= newest()


def is_empty(url: str) -> bool:
    """Whether there is no schema yet. Changes nothing."""
    return not _has_file(url) or revision(url) is None


def check(url: str) -> str | None:
    """What is wrong with the schema, or None. Changes nothing."""
    if (path := sqlite_path(url)) and not _has_file(url):
        return f"there is no file {Path(path).resolve()}; `hubbub migrate` or `serve` makes it"
    found = revision(url)
    if found and found >= newest():
        return _why_too_new(url, found)
    return f"the schema is at {found or 'nothing'}, not at {newest()}: run `hubbub migrate`"


def _why_too_new(url: str, found: str) -> str | None:
    """Why this program cannot work with a schema that a newer one made, or None.

    A newer schema only adds, so an older program goes on with it, also when it is started again
    during a rolling update. A migration that removes something stores the revision that a program
    must know since then: see `tests/store/test_upgrade.py`.
    """
    oldest = _stored_value(url, OLDEST) if found > newest() else None
    if oldest is None or oldest <= newest():
        return None
    return (
        f"its schema, {found}, is of a newer Hubbub and needs one that knows {oldest}; this one "
        f"knows {newest()}: install the newer version"
    )


@dataclass(frozen=True)
class Pending:
    """A migration that was not run yet. `changes`: what its statements do, such as ADD COLUMN."""

    revision: str
    title: str
    changes: list[str]


def pending(url: str) -> list[Pending]:
    """The migrations that `hubbub migrate` would run, in their order. Changes nothing."""
    found = revision(url) if _has_file(url) else None
    dialect = "sqlite" if sqlite_path(url) else "mysql"
    files = sorted((MIGRATIONS / "versions").glob("[0-9]*.py"))
    return [_pending(each, dialect) for each in files if each.name[:4] > (found or "")]


def _pending(file: Path, dialect: str) -> Pending:
    revision = file.name[:4]
    title = file.read_text().split('"""')[1].partition("\n")[0]
    sql = (MIGRATIONS / "sql" / f"{revision}.{dialect}.sql").read_text()
    changes = [" ".join(found.split()) for found in CHANGE.findall(sql)]
    return Pending(revision, title, list(dict.fromkeys(changes)))


def _has_file(url: str) -> bool:
    path = sqlite_path(url)
    return path is None or Path(path).exists()


def revision(url: str) -> str | None:
    """The revision of the schema, or None if there is none. A SQLite file must exist."""
    return _stored_value(url, STORED)


def _stored_value(url: str, question: str) -> str | None:
    path = sqlite_path(url)
    if path:
        return _stored_in_file(url, path, question)
    return _stored_on_server(address(url), question)


def _stored_in_file(url: str, path: str, question: str) -> str | None:
    try:
        with closing(sqlite3.connect(path, timeout=LOOK_S)) as connection:
            found = connection.execute(HAS_VERSION).fetchone()
            row = connection.execute(question).fetchone() if found else None
    except sqlite3.DatabaseError as exc:
        raise StoreError(
            f"Cannot use {url}: {exc}. HUBBUB_DATABASE_URL must name a SQLite file."
        ) from exc
    return str(row[0]) if row else None


def _stored_on_server(where: Address, question: str) -> str | None:
    try:
        with closing(connect(where, LOOK_S)) as connection, connection.cursor() as cursor:
            cursor.execute(question)
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
        ssl=where.ssl,
        charset="utf8mb4",
        connect_timeout=10,
        read_timeout=answer_s,
        # A row that is found counts, as SQLAlchemy expects.
        client_flag=CLIENT.FOUND_ROWS,
    )
    made.query(migration_settings(str(made.server_version)))  # type: ignore[attr-defined]
    return made
