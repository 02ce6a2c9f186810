"""Connections by aiomysql, which is written in Python and always installed."""

from functools import lru_cache
from typing import Any

import aiomysql
from pymysql import err
from pymysql.constants import CLIENT, SERVER_STATUS
from pymysql.converters import conversions
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

from store.engine.mysql_connection import NO_TLS, Answer, wait_until_open

CONVERSIONS: dict[Any, Any] = conversions


class Connection(aiomysql.Connection):  # type: ignore[misc]
    async def open(self, seconds: float) -> None:
        await wait_until_open(self, self._connect(), seconds)

    async def run(self, *statements: str) -> Answer:
        self.touch()
        await self.query(";".join(statements))
        for _ in statements[1:]:
            await self.next_result()
        found: Answer = self._result
        return found

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

    async def _read_packet(self, packet_type: type[MysqlPacket] = MysqlPacket) -> Any:
        described = packet_type is FieldDescriptorPacket
        packet = await super()._read_packet(MysqlPacket if described else packet_type)
        return column(packet.get_all_data(), self.encoding) if described else packet


@lru_cache(maxsize=4096)
def column(described: bytes, encoding: str) -> FieldDescriptorPacket:
    """The column that a packet describes. Each answer describes its columns again."""
    return FieldDescriptorPacket(described, encoding)
