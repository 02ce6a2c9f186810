"""Connections to MySQL. A server that falls silent makes nobody wait for ever."""

import asyncio
import random
from collections.abc import Callable

from pymysql import err

from store.engine.mysql_address import Address
from store.engine.mysql_connection import TOO_MANY, Connection, answer
from store.engine.transaction import PoolUse

# A firewall may forget a connection that is idle, so such a connection is tried first.
IDLE_S = 5.0
PING_S = 2.0
# Shorter than the idle time-outs of servers, proxies and firewalls.
RECYCLE_S = 300.0
# A connection is not used for longer, so that servers behind a proxy get their share, and a proxy
# that ends old connections (PlanetScale: after 24 hours) never ends one that works.
LIFE_S = 1_800.0


class Pool:
    """Keeps connections open. The one that was used last is used first.

    `connect_s`: how long a caller waits for a free one, and for a new one to open. `statement_s`:
    how long an answer may take. One timer watches all connections, because a timer for each
    statement would cost half as much as the statement.
    """

    def __init__(
        self,
        where: Address,
        make: Callable[[Address], Connection],
        size: int,
        connect_s: float,
        statement_s: float,
        life_s: float = LIFE_S,
    ) -> None:
        self.where = where
        self._make = make
        self._life_s = life_s
        self._connect_s = connect_s
        self._statement_s = statement_s
        self._places = asyncio.Semaphore(size)
        self._size = size
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        # The loop's time from which on each connection is not used again.
        self._ends: dict[Connection, float] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._closing = False

    def use(self) -> PoolUse:
        return PoolUse(len(self._used), len(self._idle), self._size)

    async def take(self) -> Connection:
        """A connection, which the caller must give back. Raise OperationalError."""
        if self._places.locked():
            await self._wait_for_place()
        else:
            await self._places.acquire()
        try:
            connection = self._fresh() or await self._idle_or_new()
        except BaseException:  # also a cancellation: the place must not be lost
            self._places.release()
            raise
        connection.touch()
        self._used.add(connection)
        if self._watch is None:
            self._start_watch()
        return connection

    def give_back(self, connection: Connection) -> None:
        self._used.discard(connection)
        self._places.release()
        if self._closing or self._is_over(connection) or connection.in_transaction():
            self._end(connection)
        else:
            self._idle.append(connection)

    def _is_over(self, connection: Connection) -> bool:
        old = asyncio.get_running_loop().time() >= self._ends[connection]
        return old or connection.is_closed()

    def _end(self, connection: Connection) -> None:
        connection.close()
        del self._ends[connection]

    def renew(self, where: Address) -> None:
        """Use this address from now on. Work on open connections goes on to its end."""
        self.where = where
        self.drop_idle()
        self._ends = dict.fromkeys(self._ends, 0.0)

    async def _wait_for_place(self) -> None:
        try:
            async with asyncio.timeout(self._connect_s):
                await self._places.acquire()
        except TimeoutError as exc:
            why = f"all connections of this process were busy for {self._connect_s:g} s"
            raise err.OperationalError(TOO_MANY, why) from exc

    def _start_watch(self) -> None:
        period = min(1.0, self._statement_s / 3)
        self._watch = asyncio.get_running_loop().call_later(period, self._abort_silent)

    def _abort_silent(self) -> None:
        """Abort connections whose answer takes too long, and look again while any is used."""
        self._watch = None
        latest = asyncio.get_running_loop().time() - self._statement_s
        for connection in self._used:
            if connection.last_usage < latest:
                connection.abort()
        if self._used:
            self._start_watch()

    def _fresh(self) -> Connection | None:
        """A connection that was used a moment ago."""
        if not self._idle or self._idle_s(self._idle[-1]) >= IDLE_S:
            return None
        return self._idle.pop()

    def _idle_s(self, connection: Connection) -> float:
        return asyncio.get_running_loop().time() - connection.last_usage

    async def _idle_or_new(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if await self._answers(connection):
                return connection
            self._end(connection)
            # The others have been idle for longer.
            self.drop_idle()
        connection = self._make(self.where)
        await connection.open(self._connect_s)
        # Not all at one time, because all processes may have started together.
        life = self._life_s * random.uniform(0.9, 1.0)  # noqa: S311 - spreads, hides nothing
        self._ends[connection] = asyncio.get_running_loop().time() + life
        return connection

    async def _answers(self, connection: Connection) -> bool:
        if self._idle_s(connection) > RECYCLE_S:
            return False
        try:
            await answer(connection.ping(reconnect=False), PING_S)
        except (err.MySQLError, OSError, RuntimeError):
            return False
        except asyncio.CancelledError:
            self._end(connection)
            raise
        return True

    def drop_idle(self) -> None:
        """Open new connections from now on."""
        while self._idle:
            self._end(self._idle.pop())

    def close(self) -> None:
        """Close every connection, also one that waits for an answer."""
        self._closing = True
        self.drop_idle()
        for connection in self._used:
            connection.abort()
        if self._watch is not None:
            self._watch.cancel()
