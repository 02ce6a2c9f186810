"""A transaction's statements on SQLite."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from store.engine.origins import SERVER, Origin
from store.engine.sql import Dialect, for_sqlite, spread_lists
from store.engine.transaction import BeforeCommit, Numbered, Row, TaskKey, no_effects


class SQLiteTx:
    dialect: Dialect = "sqlite"

    def __init__(
        self,
        db: sqlite3.Connection,
        clock: Callable[[], int],
        before_commit: BeforeCommit = no_effects,
    ) -> None:
        self._db = db
        self._clock = clock
        self._now: int | None = None
        self.numbered: list[Numbered] = []
        self.rings: set[str] = set()
        self.origin: Origin = SERVER
        self.trace: str | None = None
        self.changed_tasks: set[TaskKey] = set()
        self.before_commit: BeforeCommit = before_commit

    async def now(self) -> int:
        if self._now is None:
            self._now = self._clock()
        return self._now

    def _execute(self, sql: str, params: Row) -> sqlite3.Cursor:
        sql, params = spread_lists(sql, params)
        return self._db.execute(for_sqlite(sql), params)

    async def all(self, sql: str, **params: Any) -> list[Any]:
        cursor = self._execute(sql, params)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=False)) for row in cursor]

    async def one(self, sql: str, **params: Any) -> Any | None:
        cursor = self._execute(sql, params)
        row = cursor.fetchone()
        columns = cursor.description
        cursor.close()
        if row is None:
            return None
        return {column[0]: value for column, value in zip(columns, row, strict=False)}

    async def run(self, sql: str, **params: Any) -> int:
        return self._execute(sql, params).rowcount

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._db.executemany(for_sqlite(sql), rows)
