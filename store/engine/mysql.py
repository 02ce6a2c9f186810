"""MySQL 8 and MariaDB from 10.6."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pymysql import err

from store.engine import mysql_drivers, mysql_errors, mysql_retries, mysql_session
from store.engine.cancellation import Shield
from store.engine.mysql_address import Address, address, names_mysql
from store.engine.mysql_clock import Clock, GivenClock, ServerClock
from store.engine.mysql_connection import Connection
from store.engine.mysql_pool import LIFE_S, Pool
from store.engine.mysql_session import Flavour
from store.engine.mysql_statements import MySQLTx
from store.engine.sql import Dialect
from store.engine.transaction import (
    BeforeCommit,
    PoolUse,
    StoreError,
    Work,
    no_effects,
    settle,
)
from store.engine.wakeups import Bell

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """`connect_s`: how long the opening of a connection may take, with its authentication.

    `statement_s`: how long one statement may take; a server that takes longer is away.
    `transaction_s`: how long a transaction may take; PlanetScale ends one after 20 seconds.
    `try_s`: no transaction is tried again after this time. `close_s`: how long transactions may
    take that run when the store is closed. `life_s`: how long a connection is used.
    """

    connect_s: float = 10.0
    statement_s: float = 15.0
    transaction_s: float = 18.0
    try_s: float = 20.0
    close_s: float = 5.0
    life_s: float = LIFE_S


PATIENCE = Patience()


class MySQL:
    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int] | None,
        server: Flavour,
        patience: Patience,
        source: Callable[[], str] | None,
        before_commit: BeforeCommit,
    ) -> None:
        self.dialect: Dialect = server.dialect
        self.bell = Bell()
        self._pool = pool
        self._source = source
        self._before_commit = before_commit
        self._renewing = asyncio.Lock()
        self._clock: Clock = GivenClock(clock) if clock else ServerClock()
        self._together = server.together
        self._patience = patience
        self._shield = Shield()

    @classmethod
    async def open(
        cls,
        url: str,
        clock: Callable[[], int] | None,
        size: int = 10,
        patience: Patience = PATIENCE,
        source: Callable[[], str] | None = None,
        before_commit: BeforeCommit = no_effects,
    ) -> "MySQL":
        """`source`: reads the address again, whose user and password may have been replaced."""
        where = address(url)
        try:
            server = await mysql_session.server_flavour(
                _connection(where), patience.connect_s, patience.statement_s
            )
        except (err.MySQLError, OSError) as exc:
            raise mysql_errors.unreachable(where, exc) from exc
        make = partial(_connection, init_command=mysql_session.settings(server))
        times = (patience.connect_s, patience.statement_s, patience.life_s)
        pool = Pool(where, make, size, *times)
        return cls(pool, clock, server, patience, source, before_commit)

    async def renew(self) -> None:
        """Read the address again, and open new connections from now on. No transaction is lost."""
        await self._renew(self._pool.where, always=True)

    async def _renew(self, refused: Address, *, always: bool = False) -> bool:
        """Whether the pool has another address by now than the one that was refused."""
        async with self._renewing:
            if self._source is not None and self._pool.where == refused:
                where = _mysql_address(await asyncio.to_thread(self._source))
                if always or where != refused:
                    self._pool.renew(where)
        return self._pool.where != refused

    def pool(self) -> PoolUse:
        return self._pool.use()

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
            return await work(MySQLTx(connection, self._clock, self.dialect))
        except (err.MySQLError, asyncio.CancelledError, OSError, RuntimeError):
            # A cancelled query leaves its reply unread, so the connection cannot be used again.
            connection.close()
            raise
        finally:
            self._pool.give_back(connection)

    async def _write(self, work: Work[T]) -> T:
        connection = await self._pool.take()
        tx = MySQLTx(
            connection,
            self._clock,
            self.dialect,
            writes=True,
            together=self._together,
            before_commit=self._before_commit,
        )
        limit = asyncio.timeout(self._patience.transaction_s)
        try:
            async with limit:
                result = await work(tx)
                await settle(tx)
                await tx.commit()
        except BaseException as exc:  # also a cancellation: nothing may stay open
            await _roll_back(connection)
            if limit.expired():
                raise self._too_long() from exc
            raise
        finally:
            self._pool.give_back(connection)
        self.bell.ring(tx.rings)
        return result

    def _too_long(self) -> StoreError:
        return StoreError(
            f"A transaction on the MySQL server at {self._pool.where.host} took longer than "
            f"{self._patience.transaction_s:g} s and was rolled back."
        )

    async def _tries(self, once: Callable[[], Awaitable[T]]) -> T:
        return await mysql_retries.retry(once, self._pool, self._patience.try_s, self._renew)


def _mysql_address(url: str) -> Address:
    if not names_mysql(url):
        raise StoreError("HUBBUB_DATABASE_URL names no MySQL any more. Restart Hubbub.")
    return address(url)


def _connection(where: Address, **more: Any) -> Connection:
    """A connection that is not open yet."""
    driver = mysql_drivers.driver(where.driver)
    return driver.connection(**mysql_session.options(where, driver), **more)


async def _roll_back(connection: Connection) -> None:
    """Roll back. A lock wait time-out rolls back only its statement."""
    try:
        async with asyncio.timeout(5):
            await asyncio.shield(connection.run("ROLLBACK"))
    except (err.MySQLError, TimeoutError, OSError, RuntimeError):
        connection.close()
