"""All rows of a database as they were at one moment, on a connection of its own that blocks."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Protocol, TypeAlias

from pymysql import err
from pymysql.cursors import SSCursor

from store.engine.database import sqlite_path
from store.engine.mysql_address import address
from store.engine.mysql_errors import unreachable
from store.engine.schema_version import connect
from store.engine.transaction import StoreError
from store.tables.columns import Table

Values: TypeAlias = tuple[Any, ...]
# Rows that are read at a time.
BATCH = 500
# The server may have limits for statements; a table of millions of rows takes minutes.
WITHOUT_LIMIT = {
    "MariaDB": "SET SESSION max_statement_time = 0, net_write_timeout = 600",
    "MySQL": "SET SESSION max_execution_time = 0, net_write_timeout = 600",
}
BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


class _Cursor(Protocol):
    def execute(self, query: str, /) -> Any: ...
    def fetchmany(self, size: int, /) -> Sequence[Values]: ...
    def close(self) -> None: ...


class Snapshot:
    """A read transaction. Reading goes row by row, so the memory it takes does not grow."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def batches(self, table: Table, where: str) -> Iterator[Sequence[Values]]:
        """The rows in the order of their key, some at a time."""
        yield from self.select(
            f"SELECT {', '.join(table.names)} FROM {table.name} WHERE {where} "
            f"ORDER BY {', '.join(table.key)}"
        )

    def select(self, statement: str) -> Iterator[Sequence[Values]]:
        cursor: _Cursor = self._connection.cursor()
        try:
            cursor.execute(statement)
            while rows := cursor.fetchmany(BATCH):
                yield rows
        finally:
            cursor.close()

    def one(self, statement: str) -> Any:
        """The first value of the first row, or None."""
        found = [row for batch in self.select(statement) for row in batch]
        return found[0][0] if found else None


@contextmanager
def open_snapshot(url: str) -> Iterator[Snapshot]:
    """Begin one consistent read transaction. Writers go on meanwhile. Raise StoreError."""
    path = sqlite_path(url)
    opened = _sqlite(path) if path else _mysql(url)
    with opened as snapshot:
        yield snapshot


@contextmanager
def _sqlite(path: str) -> Iterator[Snapshot]:
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            # SQLite takes the snapshot at the first read.
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            yield Snapshot(connection)
    except sqlite3.Error as exc:
        raise StoreError(f"Cannot read the SQLite file {path}: {exc}.") from exc


@contextmanager
def _mysql(url: str) -> Iterator[Snapshot]:
    where = address(url)
    try:
        with closing(connect(where)) as connection:
            version = str(connection.server_version)  # type: ignore[attr-defined]
            connection.query(WITHOUT_LIMIT["MariaDB" if "MariaDB" in version else "MySQL"])
            connection.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.query(BEGIN)
            # Unbuffered: the server sends rows as they are read.
            connection.cursorclass = SSCursor
            yield Snapshot(connection)
    except err.MySQLError as exc:
        raise unreachable(where, exc) from exc
