"""One session with a MySQL server, by whichever driver. Its errors are those of `pymysql.err`."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, TypeVar

from pymysql import err

T = TypeVar("T")

# MySQL's codes: cannot connect, lost in a query, too many connections, no TLS.
UNREACHABLE = 2003
SILENT = 2013
TOO_MANY = 1040
NO_TLS = 2026


class Answer(Protocol):
    """What the server answered to one statement. Both drivers have it in this form."""

    rows: Sequence[tuple[Any, ...]] | None
    # For each column a tuple that begins with its name.
    description: Sequence[tuple[Any, ...]]
    affected_rows: int
    has_next: bool


class Connection(Protocol):
    @property
    def last_usage(self) -> float:
        """The loop's time when this process last began to wait for an answer."""

    def is_closed(self) -> bool: ...

    async def open(self, seconds: float) -> None:
        """Connect and authenticate."""

    async def run(self, *statements: str) -> Answer:
        """Send the statements in one packet: the answer to the last.

        The server stops at a statement that fails, whose error is raised.
        """

    async def ping(self, *, reconnect: bool) -> None: ...

    def literal(self, value: Any) -> str:
        """The value as it is written in a statement."""

    def in_transaction(self) -> bool: ...

    def touch(self) -> None:
        """Begin to wait for an answer."""

    def close(self) -> None: ...

    def abort(self) -> None:
        """Make everything that waits for this connection fail. `close` would send the rest."""


async def answer(statement: Awaitable[T], seconds: float) -> T:
    """Wait for the answer to a statement. Raise OperationalError if the server is silent."""
    try:
        async with asyncio.timeout(seconds):
            return await statement
    except TimeoutError as exc:
        raise err.OperationalError(SILENT, f"no answer within {seconds:g} s") from exc


async def wait_until_open(
    connection: Connection, connecting: Awaitable[Any], seconds: float
) -> None:
    """Wait until the server has let us in. Raise OperationalError."""
    try:
        async with asyncio.timeout(seconds):
            await connecting
    except TimeoutError as exc:
        connection.close()
        why = f"the server did not let Hubbub in within {seconds:g} s"
        raise err.OperationalError(UNREACHABLE, why) from exc
    except BaseException:  # also a cancellation: a half-open connection is of no use
        connection.close()
        raise
