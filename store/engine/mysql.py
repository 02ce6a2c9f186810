"""MySQL 8 and MariaDB from 10.6."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pymysql import err

from store.engine import mysql_drivers, mysql_errors, mysql_retries, mysql_session
from store.engine.cancellation import Shield
from store.engine.mysql_address import Address, address
from store.engine.mysql_clock import Clock, GivenClock, ServerClock
from store.engine.mysql_connection import Connection
from store.engine.mysql_pool import Pool
from store.engine.mysql_session import Flavour
from store.engine.mysql_statements import MySQLTx
from store.engine.sql import Dialect
from store.engine.transaction import PoolUse, Work
from store.engine.wakeups import Bell

T = TypeVar("T")


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


class MySQL:
    def __init__(
        self,
        where: Address,
        pool: Pool,
        clock: Callable[[], int] | None,
        server: Flavour,
        patience: Patience,
    ) -> None:
        self.dialect: Dialect = server.dialect
        self.bell = Bell()
        self._where = where
        self._pool = pool
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
    ) -> "MySQL":
        where = address(url)
        driver = mysql_drivers.driver(where.driver)
        connection = partial(driver.connection, **mysql_session.options(where, driver))
        try:
            server = await mysql_session.server_flavour(
                connection(), patience.connect_s, patience.statement_s
            )
        except (err.MySQLError, OSError) as exc:
            raise mysql_errors.unreachable(where, exc) from exc
        make = partial(connection, init_command=mysql_session.settings(server))
        pool = Pool(make, size, patience.connect_s, patience.statement_s)
        return cls(where, pool, clock, server, patience)

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
        tx = MySQLTx(connection, self._clock, self.dialect, writes=True, together=self._together)
        try:
            result = await work(tx)
            await tx.commit()
        except BaseException:  # also a cancellation: nothing may stay open
            await _roll_back(connection)
            raise
        finally:
            self._pool.give_back(connection)
        self.bell.ring(tx.rings)
        return result

    async def _tries(self, once: Callable[[], Awaitable[T]]) -> T:
        return await mysql_retries.retry(once, self._where, self._pool, self._patience.try_s)


async def _roll_back(connection: Connection) -> None:
    """Roll back. A lock wait time-out rolls back only its statement."""
    try:
        async with asyncio.timeout(5):
            await asyncio.shield(connection.run("ROLLBACK"))
    except (err.MySQLError, TimeoutError, OSError, RuntimeError):
        connection.close()
