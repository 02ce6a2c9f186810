"""MySQL 8 and MariaDB from 10.6, by aiomysql."""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import aiomysql
from pymysql import err
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions

from store.engine import sequences
from store.engine.cancellation import Shield
from store.engine.mysql_pool import Connection, Pool, answer
from store.engine.sql import ALIAS, Dialect, for_mysql, of_many_rows, spread_lists
from store.engine.transaction import Numbered, Row, StoreError, Work
from store.engine.wakeups import Bell

T = TypeVar("T")

# Deadlock (on Galera also a certification failure), lock wait, snapshot, node not ready.
AGAIN = frozenset({1213, 1205, 1020, 1047})
# Cannot connect, gone away, lost in a query, lost in a reply, killed, shutting down, idle too
# long, errors of the network.
LOST = frozenset({2003, 2006, 2013, 2055, 1927, 1053, 4031, 1158, 1159, 1160, 1161})
# The server refuses for a reason that the statement did not cause: its configuration, its disk,
# its memory, its number of connections, the rights of our user.
REFUSED_BY_SERVER = frozenset(
    {
        *(1290, 1792, 1836, 3032),  # read-only, offline
        *(1040, 1203, 1226, 1129, 1135, 1637, 3168),  # too many connections, host blocked
        *(1021, 1114, 1026, 1030, 1180, 3019),  # the disk or the table space is full, I/O errors
        *(1037, 1038, 1041, 1206),  # out of memory, out of locks
        *(1044, 1045, 1049, 1130, 1142, 1143, 1227, 1698, 4151),  # our user is not let in
        *(1969, 3024, 1317),  # ended by the server: it took too long
        2026,  # TLS
    }
)
TRIES = 8


@dataclass(frozen=True)
class Patience:
    """`connect_s`: how long the opening of a connection may take, with its authentication.

    `statement_s`: how long one statement may take; a server that takes longer is away. `try_s`: no
    transaction is tried again after this time. `close_s`: how long transactions may take that run
    when the store is closed.
    """

    connect_s: float = 10.0
    statement_s: float = 15.0
    try_s: float = 20.0
    close_s: float = 5.0


PATIENCE = Patience()
# The length of one statement of many rows, far below `max_allowed_packet`. aiomysql has a similar
# limit for `executemany`.
STATEMENT_CHARACTERS = 1_000_000
SQL_MODE = (
    "STRICT_ALL_TABLES,PIPES_AS_CONCAT,ANSI_QUOTES,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)


# The server's own limit, in seconds.
STATEMENT_S = 15
# The server closes a connection that is idle for longer. The pool closes its own before.
WAIT_TIMEOUT = ", wait_timeout = 600"


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


# SUM() of integers is DECIMAL.
CONVERSIONS = conversions | {FIELD_TYPE.NEWDECIMAL: _number, FIELD_TYPE.DECIMAL: _number}


# `verify`: the certificate must be valid for the host. `required`: any certificate will do.
TLS = ("verify", "required", "off")


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    user: str
    password: str
    database: str
    tls: str

    def ssl(self) -> ssl.SSLContext | None:
        if self.tls == "off":
            return None
        context = ssl.create_default_context()
        if self.tls == "required":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def address(url: str) -> Address:
    """`mysql://user:password@host:3306/name?tls=verify`, percent-encoded where it must be."""
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
        tls=_tls(parts.hostname, parts.query),
    )


def _tls(host: str, query: str) -> str:
    given = dict(parse_qsl(query, keep_blank_values=True))
    tls = given.pop("tls", "off" if _is_loopback(host) else "verify")
    if given or tls not in TLS:
        wrong = f"it has {', '.join(given)}" if given else f"tls is {tls!r}"
        raise StoreError(
            f"HUBBUB_DATABASE_URL accepts only ?tls={', ?tls='.join(TLS)} after the name; {wrong}."
        )
    return tls


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Flavour:
    """What MySQL and MariaDB name differently. `more`: additional session settings."""

    dialect: Dialect
    collation: str
    isolation: str
    more: str = ""


def flavour(version: str, *, galera: bool = False) -> Flavour:
    # A binary collation without padding: 'a' <> 'a ', as on SQLite.
    if "MariaDB" in version:
        # The server ends a statement that we no longer wait for, and a transaction whose client
        # is gone without a word and whose locks everybody else waits for.
        more = f", max_statement_time = {STATEMENT_S}, idle_transaction_timeout = {STATEMENT_S}"
        # A node of Galera would answer without what was committed on another a moment ago.
        more += ", wsrep_sync_wait = 1" if galera else ""
        return Flavour("mariadb", "utf8mb4_nopad_bin", "tx_isolation", f"{more}{WAIT_TIMEOUT}")
    # TiDB does not resolve the row alias of an upsert (pingcap/tidb issue 70814), and Vitess
    # before 20 refuses it (vitessio/vitess pull request 15790).
    if "TiDB" in version or "Vitess" in version:
        return Flavour("mariadb", "utf8mb4_0900_bin", "transaction_isolation")
    more = f", max_execution_time = {STATEMENT_S * 1000}{WAIT_TIMEOUT}"
    return Flavour("mysql", "utf8mb4_0900_bin", "transaction_isolation", more)


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


class MySQL:
    def __init__(
        self,
        where: Address,
        pool: Pool,
        clock: Callable[[], int] | None,
        dialect: Dialect,
        patience: Patience,
    ) -> None:
        self.dialect: Dialect = dialect
        self.bell = Bell()
        self._where = where
        self._pool = pool
        self._clock = clock
        self._patience = patience
        self._shield = Shield()

    @classmethod
    async def open(
        cls,
        url: str,
        clock: Callable[[], int] | None,
        size: int = 10,
        patience: Patience = PATIENCE,
    ) -> "MySQL":
        where = address(url)
        options = _options(where)
        try:
            server = await _flavour(options, patience)
        except (err.MySQLError, OSError) as exc:
            raise unreachable(where, exc) from exc
        session = (
            f"SET {server.isolation} = 'READ-COMMITTED', time_zone = '+00:00', "
            f"collation_connection = {server.collation}, sql_mode = '{SQL_MODE}', "
            f"innodb_lock_wait_timeout = 5{server.more}"
        )
        make = partial(Connection, **options, init_command=session)
        pool = Pool(make, size, patience.connect_s, patience.statement_s)
        return cls(where, pool, clock, server.dialect, patience)

    async def close(self) -> None:
        """Close within seconds, even if the server is silent."""
        await self._shield.drain(self._patience.close_s)
        self._pool.close()

    async def read(self, work: Work[T]) -> T:
        return await self._tries(lambda: self._read(work))

    async def write(self, work: Work[T]) -> T:
        return await self._shield.run(self._tries(lambda: self._write(work)))

    async def _read(self, work: Work[T]) -> T:
        connection = await self._pool.take()
        try:
            return await work(self._tx(connection))
        except (err.MySQLError, asyncio.CancelledError, OSError, RuntimeError):
            # A cancelled query leaves its reply unread, so the connection cannot be used again.
            connection.close()
            raise
        finally:
            self._pool.give_back(connection)

    async def _write(self, work: Work[T]) -> T:
        connection = await self._pool.take()
        try:
            await connection.begin()
            tx = self._tx(connection)
            result = await work(tx)
            await sequences.number(tx)
            connection.touch()
            await connection.commit()
        except BaseException:
            await _roll_back(connection)
            raise
        finally:
            self._pool.give_back(connection)
        self.bell.ring(tx.rings)
        return result

    def _tx(self, connection: Any) -> MySQLTx:
        return MySQLTx(connection, self._clock, self.dialect)

    async def _tries(self, once: Callable[[], Awaitable[T]]) -> T:
        """Raise StoreError if the server cannot do it, whatever was asked."""
        give_up = asyncio.get_running_loop().time() + self._patience.try_s
        for n in range(TRIES):
            try:
                return await once()
            except err.MySQLError as exc:
                last = n == TRIES - 1 or asyncio.get_running_loop().time() > give_up
                self._raise_unless_retriable(exc, last=last)
            await asyncio.sleep(random.uniform(0, 0.01 * 2**n))  # noqa: S311 - spreads, hides nothing
        raise AssertionError

    def _raise_unless_retriable(self, exc: err.MySQLError, *, last: bool) -> None:
        code = exc.args[0] if exc.args else None
        lost = code in LOST or isinstance(exc, err.InterfaceError)
        if lost or code in REFUSED_BY_SERVER:
            # The other connections are lost too, or another server has taken over.
            self._pool.drop_idle()
        if code in REFUSED_BY_SERVER:
            raise refused_by_server(self._where, exc) from exc
        if not lost and code not in AGAIN:
            raise exc
        if last:
            raise unreachable(self._where, exc) from exc


def _options(where: Address) -> dict[str, Any]:
    return {
        "host": where.host,
        "port": where.port,
        "user": where.user,
        "password": where.password,
        "db": where.database,
        "charset": "utf8mb4",
        "autocommit": True,
        "ssl": where.ssl(),
        "conv": CONVERSIONS,
        # An UPDATE to the same value counts as a row, as on SQLite.
        "client_flag": CLIENT.FOUND_ROWS,
    }


async def _flavour(options: dict[str, Any], patience: Patience) -> Flavour:
    connection = Connection(**options)
    try:
        await connection.connect(patience.connect_s)
        version = await _first(connection, "SELECT VERSION()", patience)
        wsrep = await _first(connection, "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'", patience)
        return flavour(str(version[0]), galera=bool(wsrep) and wsrep[1] == "ON")
    finally:
        connection.close()


async def _first(connection: Connection, statement: str, patience: Patience) -> Any:
    cursor = await connection.cursor()
    await answer(cursor.execute(statement), patience.statement_s)
    return await cursor.fetchone()


def unreachable(where: Address, exc: Exception) -> StoreError:
    return StoreError(
        f"Cannot use the MySQL database {where.database} at {where.host}:{where.port} as "
        f"{where.user}: {_reason(exc)}. Check HUBBUB_DATABASE_URL, and that the server runs, "
        "has the database, and lets the user in."
    )


def refused_by_server(where: Address, exc: Exception) -> StoreError:
    return StoreError(
        f"The MySQL server at {where.host}:{where.port} refuses to work on the database "
        f"{where.database} as {where.user}: {_reason(exc)}."
    )


def _reason(exc: Exception) -> str:
    """What the driver says. It hides why a certificate was not accepted."""
    cause = exc.__cause__
    why = f" ({cause})" if isinstance(cause, ssl.SSLError) else ""
    return f"{exc.args[-1]}{why}"


async def _roll_back(connection: Any) -> None:
    """Roll back. A lock wait time-out rolls back only its statement."""
    try:
        async with asyncio.timeout(5):
            await asyncio.shield(connection.rollback())
    except (err.MySQLError, TimeoutError, OSError, RuntimeError):
        connection.close()
