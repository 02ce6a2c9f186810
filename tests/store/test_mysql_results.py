"""How answers of a MySQL server are read. All but one test write its bytes themselves."""

import asyncio
import struct
from decimal import Decimal
from typing import Any

import pytest
from pymysql import err
from pymysql.constants import FIELD_TYPE

from store.engine.database import open_store
from store.engine.mysql_aiomysql import Connection
from store.engine.transaction import Tx

UTF8MB4, BINARY = 45, 63
SERVER_MORE_RESULTS = 8


def packet(number: int, content: bytes) -> bytes:
    return struct.pack("<I", len(content))[:3] + bytes([number % 256]) + content


def text(value: bytes | None) -> bytes:
    if value is None:
        return b"\xfb"
    if len(value) < 251:
        return bytes([len(value)]) + value
    return b"\xfc" + struct.pack("<H", len(value)) + value


def described(name: str, kind: int, charset: int = UTF8MB4) -> bytes:
    names = b"".join(text(each) for each in (b"def", b"", b"", b"", name.encode(), b""))
    return names + struct.pack("<BHIBHBH", 12, charset, 1000, kind, 0, 0, 0)


def end(status: int = 2) -> bytes:
    return b"\xfe" + struct.pack("<HH", 0, status)


def error(code: int, why: str) -> bytes:
    return b"\xff" + struct.pack("<H", code) + b"#HY000" + why.encode()


async def answers(contents: list[bytes], size: int) -> tuple[Connection, Any]:
    """The connection to a server that sends these packets in pieces of a size, and its answer."""
    sent = b"".join(packet(n, each) for n, each in enumerate(contents))
    connection = Connection()
    connection._reader = asyncio.StreamReader()

    async def send() -> None:
        for at in range(0, len(sent), size):
            connection._reader.feed_data(sent[at : at + size])
            await asyncio.sleep(0)
        connection._reader.feed_eof()

    sending = asyncio.create_task(send())
    try:
        await connection._read_query_result()
    finally:
        await sending
    return connection, connection._result


COLUMNS = [
    described("n", FIELD_TYPE.LONGLONG),
    described("share", FIELD_TYPE.NEWDECIMAL),
    described("name", FIELD_TYPE.VAR_STRING),
    described("hash", FIELD_TYPE.BLOB, BINARY),
]
ROWS: list[tuple[Any, ...]] = [
    (12, Decimal("0.5"), "Zoë 🚀", b"\x00\xff"),
    (None, None, None, None),
    (-1, Decimal(7), "x" * 250, b"y" * 251),
    (0, Decimal(0), "", b"z" * 400),
]


def row(values: tuple[Any, ...]) -> bytes:
    known = (
        each if each is None or isinstance(each, bytes) else str(each).encode() for each in values
    )
    return b"".join(text(each) for each in known)


@pytest.mark.parametrize("size", [1_000_000, 997, 1])
async def test_an_answer_is_read_however_its_bytes_arrive(size: int) -> None:
    contents = [bytes([len(COLUMNS)]), *COLUMNS, end(), *map(row, ROWS), end(SERVER_MORE_RESULTS)]
    _, found = await answers(contents, size)
    assert found.rows == tuple(ROWS)
    assert [each[0] for each in found.description] == ["n", "share", "name", "hash"]
    assert (found.affected_rows, bool(found.has_next)) == (len(ROWS), True)


@pytest.mark.parametrize("size", [1_000_000, 1])
async def test_an_error_among_the_rows_is_raised(size: int) -> None:
    why = "Query execution was interrupted"
    contents = [bytes([len(COLUMNS)]), *COLUMNS, end(), row(ROWS[0]), error(1317, why)]
    with pytest.raises(err.OperationalError, match=why):
        await answers(contents, size)


async def test_a_server_that_goes_away_among_the_rows_is_lost() -> None:
    with pytest.raises(err.OperationalError) as raised:
        await answers([bytes([len(COLUMNS)]), *COLUMNS, end(), row(ROWS[0])], 100)
    assert raised.value.args[0] == 2013


async def test_a_packet_out_of_order_ends_the_connection() -> None:
    contents = [bytes([len(COLUMNS)]), *COLUMNS, end(), row(ROWS[0]), end()]
    sent = [packet(n, each) for n, each in enumerate(contents)]
    connection = Connection()
    connection._reader = asyncio.StreamReader()
    connection._reader.feed_data(b"".join([*sent[:-2], sent[-1]]))
    with pytest.raises(err.InternalError, match="sequence number wrong"):
        await connection._read_query_result()


async def test_values_of_every_length_arrive_on_mysql(migrated_mysql_url: str) -> None:
    sizes = [0, 250, 251, 65_535, 65_536, 1_000_000]
    store = await open_store(migrated_mysql_url)
    q = "SELECT REPEAT('ü', :n) AS value, :n AS n"

    async def work(tx: Tx) -> list[Any]:
        return [await tx.one(q, n=n) for n in sizes]

    found = await store.read(work)
    await store.close()
    assert found == [{"value": "ü" * n, "n": n} for n in sizes]
