"""A transaction's statements on MySQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import aiomysql

from store.engine.sql import ALIAS, Dialect, for_mysql, of_many_rows, spread_lists
from store.engine.transaction import Numbered, Row

# The length of one statement of many rows, far below `max_allowed_packet`. aiomysql has a similar
# limit for `executemany`.
STATEMENT_CHARACTERS = 1_000_000
# The answer to the UPDATE itself has the new number, where the driver has the id of an insert:
# https://dev.mysql.com/doc/refman/8.4/en/information-functions.html#function_last-insert-id
ADVANCE = "UPDATE heads SET seq = LAST_INSERT_ID(seq + :n) WHERE installation_id = :i"


class MySQLTx:
    def __init__(
        self,
        connection: Any,
        clock: Callable[[], int] | None,
        dialect: Dialect,
    ) -> None:
        self.dialect: Dialect = dialect
        self._connection = connection
        self._clock = clock
        self._now: int | None = None
        self.numbered: list[Numbered] = []
        self.rings: set[str] = set()

    async def now(self) -> int:
        """The server's clock, so that processes on machines with other clocks agree."""
        if self._now is None and self._clock:
            self._now = self._clock()
        elif self._now is None:
            row = await self.one("SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED) AS now")
            self._now = int(row["now"]) if row else 0
        return self._now

    async def _execute(self, sql: str, params: Row) -> Any:
        sql, params = spread_lists(sql, params)
        cursor = await self._connection.cursor(aiomysql.DictCursor)
        # Always a dict: without parameters PyMySQL would leave the doubled % as it is.
        await cursor.execute(for_mysql(sql), params)
        return cursor

    async def all(self, sql: str, **params: Any) -> list[Any]:
        cursor = await self._execute(sql, params)
        return list(await cursor.fetchall())

    async def one(self, sql: str, **params: Any) -> Any | None:
        cursor = await self._execute(sql, params)
        return await cursor.fetchone()

    async def run(self, sql: str, **params: Any) -> int:
        cursor = await self._execute(sql, params)
        return int(cursor.rowcount)

    async def advance(self, installation_id: int, n: int) -> int | None:
        cursor = await self._execute(ADVANCE, {"i": installation_id, "n": n})
        return int(cursor.lastrowid) if cursor.rowcount else None

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        cursor = await self._connection.cursor()
        if ALIAS in sql:
            # aiomysql does not know the alias, and would send a statement for each row.
            for statement in _in_one(cursor, sql, rows):
                self._connection.touch()
                await cursor.execute(statement)
        else:
            await cursor.executemany(for_mysql(sql), list(rows))


def _in_one(cursor: Any, sql: str, rows: Sequence[Row]) -> Iterator[str]:
    """Insert the rows in as few statements as possible, with their values written in."""
    before, marks, after = of_many_rows(sql)
    written: list[str] = []
    characters = 0
    for row in rows:
        values = cursor.mogrify(for_mysql(marks), row)
        if written and characters + len(values) > STATEMENT_CHARACTERS:
            yield before + ",".join(written) + after
            written, characters = [], 0
        written.append(values)
        characters += len(values)
    if written:
        yield before + ",".join(written) + after
