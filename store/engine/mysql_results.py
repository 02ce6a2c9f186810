"""What a MySQL server answered to one statement, read from its packets.

aiomysql waits for each packet by itself, twice, and parses the same descriptions of columns with
each answer. That took half of the time of a call.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from operator import methodcaller
from typing import Any, Protocol, TypeAlias

from aiomysql.connection import TEXT_TYPES, MySQLResult
from pymysql.constants import FIELD_TYPE
from pymysql.converters import decoders, through
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

# From the bytes of a value. None leaves them.
Convert: TypeAlias = Callable[[bytes], Any] | None

# The first byte of a value that is NULL, and of one whose length takes so many bytes more.
NULL = 251
WIDTHS = {252: 2, 253: 3, 254: 8}
# The packet after the columns, and after the rows. A longer one is a row with a very long value.
END, END_BYTES = 0xFE, 9
BINARY = 63


class Packets(Protocol):
    encoding: str

    def received(self) -> bytes | None:
        """The next packet, if all of it is here."""

    def packet(self) -> Awaitable[bytes]:
        """Wait for the next packet. Raise the error that it is."""


class Result(MySQLResult):  # type: ignore[misc]
    async def _get_descriptions(self) -> None:
        packets: Packets = self.connection
        described = [packets.received() or await packets.packet() for _ in range(self.field_count)]
        self.description, self.converters = columns(tuple(described), packets.encoding)
        assert is_end(await packets.packet()), "the columns go on"

    async def _read_rowdata_packet(self) -> None:
        packets: Packets = self.connection
        rows, converters = [], self.converters
        while not is_end(packet := packets.received() or await packets.packet()):
            rows.append(values(packet, converters))
        self._check_packet_is_eof(MysqlPacket(packet, packets.encoding))
        self.affected_rows, self.rows = len(rows), tuple(rows)


def is_end(packet: bytes) -> bool:
    return packet[0] == END and len(packet) < END_BYTES


def values(packet: bytes, converters: Sequence[Convert]) -> tuple[Any, ...]:
    """The values of a row."""
    at = 0
    found: list[Any] = []
    for convert in converters:
        size = packet[at]
        at += 1
        if size == NULL:
            found.append(None)
            continue
        if size > NULL:
            width = WIDTHS[size]
            size = int.from_bytes(packet[at : at + width], "little")
            at += width
        value = packet[at : at + size]
        at += size
        found.append(convert(value) if convert else value)
    return tuple(found)


@lru_cache(maxsize=1024)
def columns(
    described: tuple[bytes, ...], encoding: str
) -> tuple[tuple[tuple[Any, ...], ...], tuple[Convert, ...]]:
    """The descriptions of an answer's columns, and how their values are read."""
    found = [column(each, encoding) for each in described]
    return tuple(each for each, _ in found), tuple(convert for _, convert in found)


@lru_cache(maxsize=4096)
def column(described: bytes, encoding: str) -> tuple[tuple[Any, ...], Convert]:
    field: Any = FieldDescriptorPacket(described, encoding)
    return field.description(), _convert(field, encoding)


def _convert(field: Any, encoding: str) -> Convert:
    kind = field.type_code
    convert = decoders.get(kind)
    if kind in TEXT_TYPES and kind != FIELD_TYPE.JSON and field.charsetnr == BINARY:
        return None if convert is through else convert
    is_text = kind in TEXT_TYPES or kind == FIELD_TYPE.JSON
    decode = methodcaller("decode", encoding if is_text else "ascii")
    if convert is None or convert is through:
        return decode
    if convert in (int, float):  # they read bytes too
        return convert
    return lambda value: convert(decode(value))
