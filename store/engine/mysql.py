"""MySQL 8 and MariaDB from 10.6, by aiomysql."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import aiomysql
from pymysql import err
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions

from store.engine import sequences
from store.engine.cancellation import Shield
from store.engine.sql import ALIAS, Dialect, for_mysql, of_many_rows, spread_lists
from store.engine.transaction import Numbered, Row, StoreError, Work
from store.engine.wakeups import Bell

T = TypeVar("T")

# Deadlock (on Galera also a certification failure), lock wait, snapshot, node not ready.
AGAIN = frozenset({1213, 1205, 1020, 1047})
# Cannot connect, gone away, lost in a query, lost in a reply, killed, shutting down.
LOST = frozenset({2003, 2006, 2013, 2055, 1927, 1053})
TRIES = 8
# The length of one statement of many rows, far below `max_allowed_packet`. aiomysql has a similar
# limit for `executemany`.
STATEMENT_CHARACTERS = 1_000_000
SQL_MODE = (
    "STRICT_ALL_TABLES,PIPES_AS_CONCAT,ANSI_QUOTES,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


# SUM() of integers is DECIMAL.
CONVERSIONS = conversions | {FIELD_TYPE.NEWDECIMAL: _number, FIELD_TYPE.DECIMAL: _number}


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    user: str
    password: str
    database: str


def address(url: str) -> Address:
    """`mysql://user:password@host:3306/name`, each part percent-encoded where it must be."""
    parts = urlsplit(url)
    name = parts.path.lstrip("/")
    if not parts.hostname or not name:
        raise StoreError(
            "HUBBUB_DATABASE_URL must look like mysql://user:password@host:3306/name; "
            f"{'the host' if not parts.hostname else 'the name of the database'} is missing."
        )
    return Address(
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=unquote(name),
    )


@dataclass(frozen=True)
class Flavour:
    """What MySQL and MariaDB name differently. `more` are additional session settings."""

    dialect: Dialect
    collation: str
    isolation: str
    more: str = ""


def flavour(version: str, *, galera: bool = False) -> Flavour:
    # A node of Galera would answer without what was committed on another a moment ago.
    more = ", wsrep_sync_wait = 1" if galera else ""
    # A binary collation without padding: 'a' <> 'a ', as on SQLite.
    if "MariaDB" in version:
        return Flavour("mariadb", "utf8mb4_nopad_bin", "tx_isolation", more)
    # TiDB does not resolve the row alias of an upsert (pingcap/tidb issue 70814), and Vitess
    # before 20 refuses it (vitessio/vitess pull request 15790).
    dialect: Dialect = "mariadb" if "TiDB" in version or "Vitess" in version else "mysql"
    return Flavour(dialect, "utf8mb4_0900_bin", "transaction_isolation", more)


class MySQLTx:
    def __init__(self, connection: Any, clock: Callable[[], int] | None, dialect: Dialect) -> None:
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

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        cursor = await self._connection.cursor()
        if ALIAS in sql:
            # aiomysql does not know the alias, and would send a statement for each row.
            for statement in _in_one(cursor, sql, rows):
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


class MySQL:
    def __init__(
        self, where: Address, pool: Any, clock: Callable[[], int] | None, dialect: Dialect
    ) -> None:
        self.dialect: Dialect = dialect
        self.bell = Bell()
        self._where = where
        self._pool = pool
        self._clock = clock
        self._shield = Shield()

    @classmethod
    async def open(cls, url: str, clock: Callable[[], int] | None, size: int = 10) -> "MySQL":
        where = address(url)
        try:
            server = await _flavour(where)
            pool = await aiomysql.create_pool(
                minsize=1,
                maxsize=size,
                # Shorter than the idle time-outs of servers and of what stands between.
                pool_recycle=300,
                **_options(where),
                conv=CONVERSIONS,
                # An UPDATE to the same value counts as a row, as on SQLite.
                client_flag=CLIENT.FOUND_ROWS,
                init_command=(
                    f"SET {server.isolation} = 'READ-COMMITTED', time_zone = '+00:00', "
                    f"collation_connection = {server.collation}, sql_mode = '{SQL_MODE}', "
                    f"innodb_lock_wait_timeout = 5{server.more}"
                ),
            )
        except err.MySQLError as exc:
            raise unreachable(where, exc) from exc
        return cls(where, pool, clock, server.dialect)

    async def close(self) -> None:
        await self._shield.drain()
        self._pool.close()
        await self._pool.wait_closed()

    async def read(self, work: Work[T]) -> T:
        return await self._tries(lambda: self._read(work))

    async def write(self, work: Work[T]) -> T:
        return await self._shield.run(self._tries(lambda: self._write(work)))

    async def _read(self, work: Work[T]) -> T:
        async with self._pool.acquire() as connection:
            try:
                return await work(MySQLTx(connection, self._clock, self.dialect))
            except (err.MySQLError, asyncio.CancelledError, OSError, RuntimeError):
                # A cancelled query leaves its reply unread, so the connection cannot be used again.
                connection.close()
                raise

    async def _write(self, work: Work[T]) -> T:
        async with self._pool.acquire() as connection:
            try:
                await connection.begin()
                tx = MySQLTx(connection, self._clock, self.dialect)
                result = await work(tx)
                await sequences.number(tx)
                await connection.commit()
            except BaseException:
                await _roll_back(connection)
                raise
        self.bell.ring(tx.rings)
        return result

    async def _tries(self, once: Callable[[], Awaitable[T]]) -> T:
        for n in range(TRIES):
            try:
                return await once()
            except (err.OperationalError, err.InternalError) as exc:
                if exc.args[0] not in AGAIN | LOST:
                    raise
                if n == TRIES - 1:
                    raise unreachable(self._where, exc) from exc
            await asyncio.sleep(random.uniform(0, 0.01 * 2**n))  # noqa: S311 - spreads, hides nothing
        raise AssertionError


def _options(where: Address) -> dict[str, Any]:
    return {
        "host": where.host,
        "port": where.port,
        "user": where.user,
        "password": where.password,
        "db": where.database,
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": 10,
    }


async def _flavour(where: Address) -> Flavour:
    connection = await aiomysql.connect(**_options(where))
    try:
        cursor = await connection.cursor()
        await cursor.execute("SELECT VERSION()")
        (version,) = await cursor.fetchone()
        await cursor.execute("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'")
        wsrep = await cursor.fetchone()
        return flavour(str(version), galera=bool(wsrep) and wsrep[1] == "ON")
    finally:
        connection.close()


def unreachable(where: Address, exc: Exception) -> StoreError:
    return StoreError(
        f"Cannot use the MySQL database {where.database} at {where.host}:{where.port} as "
        f"{where.user}: {exc.args[-1]}. Check HUBBUB_DATABASE_URL, and that the server runs, "
        "has the database, and lets the user in."
    )


async def _roll_back(connection: Any) -> None:
    """Roll back. A lock wait time-out rolls back only its statement."""
    try:
        async with asyncio.timeout(5):
            await asyncio.shield(connection.rollback())
    except (err.MySQLError, TimeoutError, OSError, RuntimeError):
        connection.close()
