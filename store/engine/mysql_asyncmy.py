"""Connections by asyncmy, which is compiled, and faster: the extra `fast` installs it."""

from typing import Any

import asyncmy.connection
import asyncmy.converters
import asyncmy.errors
from pymysql import err
from pymysql.constants import CLIENT

from store.engine.mysql_connection import NO_TLS, Answer, wait_until_open

CONVERSIONS: dict[Any, Any] = asyncmy.converters.conversions


class Connection(asyncmy.connection.Connection):  # type: ignore[misc]
    async def open(self, seconds: float) -> None:
        try:
            await wait_until_open(self, self.connect(), seconds)
        except asyncmy.errors.MySQLError as exc:
            raise _as_pymysql(exc) from exc

    async def run(self, *statements: str) -> Answer:
        self.touch()
        try:
            await self.query(";".join(statements))
            for _ in statements[1:]:
                await self.next_result()
        except asyncmy.errors.MySQLError as exc:
            raise _as_pymysql(exc) from exc
        found: Answer = self._result
        return found

    async def ping(self, *, reconnect: bool) -> None:
        try:
            await super().ping(reconnect=reconnect)
        except asyncmy.errors.MySQLError as exc:
            raise _as_pymysql(exc) from exc

    def is_closed(self) -> bool:
        # asyncmy notices only when it writes that the server has ended the connection.
        return not self._connected or self._stream_broken

    def in_transaction(self) -> bool:
        return bool(self.get_transaction_status())

    def touch(self) -> None:
        self._last_usage = self._loop.time()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _request_authentication(self) -> None:
        # asyncmy would begin to speak TLS nevertheless, and say only that the connection is lost.
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise err.OperationalError(NO_TLS, "the server does not offer TLS")
        await super()._request_authentication()


def _as_pymysql(exc: asyncmy.errors.MySQLError) -> err.MySQLError:
    """PyMySQL's error of the same name, with the same arguments."""
    same: type[err.MySQLError] = getattr(err, type(exc).__name__)
    return same(*exc.args)
