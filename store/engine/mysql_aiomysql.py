"""Connections by aiomysql, which is written in Python and always installed."""

from typing import Any

import aiomysql
from pymysql import err
from pymysql.constants import CLIENT, CR, SERVER_STATUS
from pymysql.converters import conversions

from store.engine.mysql_connection import NO_TLS, Answer, wait_until_open
from store.engine.mysql_results import Result

CONVERSIONS: dict[Any, Any] = conversions

# Of a packet: the bytes of its length and number, and the length that says that another one belongs
# to it.
HEADER, LONGEST = 4, 0xFFFFFF
ERROR = b"\xff"
AT_ONCE = 1 << 16


class Connection(aiomysql.Connection):  # type: ignore[misc]
    # What the server has sent, how much of it was read, and the number of the packet that follows.
    _data = b""
    _at = _next_seq_id = 0

    async def open(self, seconds: float) -> None:
        await wait_until_open(self, self._connect(), seconds)

    async def run(self, *statements: str) -> Answer:
        self.touch()
        await self.query(";".join(statements))
        for _ in statements[1:]:
            await self.next_result()
        assert self._result is not None
        return self._result

    def literal(self, value: Any) -> str:
        return str(self.escape(value))

    def is_closed(self) -> bool:
        return bool(self.closed)

    def in_transaction(self) -> bool:
        return bool(self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    def touch(self) -> None:
        self._last_usage = self._loop.time()

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    async def _request_authentication(self) -> None:
        # aiomysql would go on without TLS, and an attacker in between could ask for that.
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise err.OperationalError(NO_TLS, "the server does not offer TLS")
        await super()._request_authentication()

    async def _connect(self) -> None:
        self._data, self._at = b"", 0
        await super()._connect()

    async def _read_query_result(self, unbuffered: bool = False) -> None:  # noqa: FBT001, FBT002 - aiomysql's
        assert not unbuffered
        self._result: Result | None = None
        result = Result(self)
        await result.read()
        self._result, self._affected_rows = result, result.affected_rows
        if result.server_status is not None:
            self.server_status = result.server_status

    def received(self) -> bytes | None:
        """The next packet, if all of it is here and it is as usual."""
        data, at = self._data, self._at
        if len(data) < at + HEADER:
            return None
        size = data[at] | data[at + 1] << 8 | data[at + 2] << 16
        end = at + HEADER + size
        if len(data) < end or size == LONGEST or data[at + 3] != self._next_seq_id:
            return None
        packet = data[at + HEADER : end]
        if packet[:1] == ERROR:
            return None
        self._at, self._next_seq_id = end, (self._next_seq_id + 1) % 256
        return packet

    async def packet(self) -> bytes:
        """Wait for the next packet. Raise the error that it is."""
        found = self.received()
        if found is None:
            whole: bytes = (await self._read_packet()).get_all_data()
            return whole
        return found

    async def _read_bytes(self, size: int) -> bytes:
        """Take what the server has sent, all at once, and give as much of it as aiomysql wants."""
        while len(self._data) < self._at + size:
            await self._receive(self._at + size - len(self._data))
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    async def _receive(self, missing: int) -> None:
        read = (
            self._reader.readexactly(missing) if missing > AT_ONCE else self._reader.read(AT_ONCE)
        )
        try:
            more = await read
        except (EOFError, OSError) as exc:
            raise self._lost() from exc
        if not more:
            raise self._lost()
        self._data, self._at = self._data[self._at :] + more, 0

    def _lost(self) -> err.OperationalError:
        self.close()
        return err.OperationalError(CR.CR_SERVER_LOST, "The server closed the connection")
