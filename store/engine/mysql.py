"""MySQL 8 and MariaDB from 10.6, by aiomysql."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pymysql import err

from store.engine import mysql_errors, mysql_retries, mysql_session, sequences
from store.engine.cancellation import Shield
from store.engine.mysql_address import Address, address
from store.engine.mysql_pool import Connection, Pool
from store.engine.mysql_statements import MySQLTx
from store.engine.sql import Dialect
from store.engine.transaction import Work
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
        options = mysql_session.options(where)
        try:
            server = await mysql_session.server_flavour(
                options, patience.connect_s, patience.statement_s
            )
        except (err.MySQLError, OSError) as exc:
            raise mysql_errors.unreachable(where, exc) from exc
        make = partial(Connection, **options, init_command=mysql_session.settings(server))
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
        except BaseException:  # also a cancellation: nothing may stay open
            await _roll_back(connection)
            raise
        finally:
            self._pool.give_back(connection)
        self.bell.ring(tx.rings)
        return result

    def _tx(self, connection: Any) -> MySQLTx:
        return MySQLTx(connection, self._clock, self.dialect)

    async def _tries(self, once: Callable[[], Awaitable[T]]) -> T:
        return await mysql_retries.retry(once, self._where, self._pool, self._patience.try_s)


async def _roll_back(connection: Any) -> None:
    """Roll back. A lock wait time-out rolls back only its statement."""
    try:
        async with asyncio.timeout(5):
            await asyncio.shield(connection.rollback())
    except (err.MySQLError, TimeoutError, OSError, RuntimeError):
        connection.close()
