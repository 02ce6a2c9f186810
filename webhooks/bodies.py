"""The bodies and headers of requests: bounded in size and time, and never decompressed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bot.errors import Refused

# aiohttp would decompress a body before any handler runs: a megabyte becomes a gigabyte. By default
# it also keeps a megabyte of headers for each request that a stranger does not finish.
HANDLER_ARGS = {"auto_decompress": False, "max_headers": 64, "max_field_size": 4096}
# How long a body may take to arrive.
BODY_S = 30.0
# Deliveries whose signature is not checked yet, all together. GitHub sends at most 25 MiB at once,
# and usually less than 100 KiB.
MOST_UNSIGNED = 64 * 2**20


@dataclass(eq=False)
class _Unsigned:
    """A body that is being received from somebody unknown."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    dropped: bool = False

    def drop(self) -> None:
        self.parts.clear()
        self.size = 0
        self.dropped = True


@dataclass(eq=False)
class Bodies:
    seconds: float = BODY_S
    most_unsigned: int = MOST_UNSIGNED
    _unsigned: set[_Unsigned] = field(default_factory=set)
    _size: int = 0

    async def read(self, request: web.Request, largest: int) -> bytes:
        """The body of a caller whose token is known. Raise Refused."""
        return await self._receive(request, largest, _Unsigned())

    async def read_unsigned(self, request: web.Request, largest: int) -> bytes:
        """The body of a caller who is not known yet. Raise Refused.

        If strangers send too much at once, the largest body is dropped: a large body that hardly
        grows would otherwise keep GitHub's small ones out. One that came with its headers, as most
        do, never waits here.
        """
        if request.content.is_eof():
            return await self.read(request, largest)
        with self._count() as body:
            return await self._receive(request, largest, body)

    @contextmanager
    def _count(self) -> Iterator[_Unsigned]:
        body = _Unsigned()
        self._unsigned.add(body)
        try:
            yield body
        finally:
            self._unsigned.discard(body)
            self._size -= body.size

    async def _receive(self, request: web.Request, largest: int, body: _Unsigned) -> bytes:
        if (request.content_length or 0) > largest:
            raise _too_large(largest)
        if request.content.is_eof():
            # It came with the headers, as most do, so it needs no timer.
            self._add(body, request.content.read_nowait(), largest)
        else:
            await self._receive_parts(request, largest, body)
        return b"".join(body.parts)

    async def _receive_parts(self, request: web.Request, largest: int, body: _Unsigned) -> None:
        try:
            async with asyncio.timeout(self.seconds):
                async for part in request.content.iter_any():
                    self._add(body, part, largest)
        except TimeoutError as exc:
            raise Refused(
                "request_timeout",
                f"The body did not arrive within {self.seconds:g} s. Send it again.",
            ) from exc
        _check_not_dropped(body)

    def _add(self, body: _Unsigned, part: bytes, largest: int) -> None:
        _check_not_dropped(body)
        body.parts.append(part)
        body.size += len(part)
        if body in self._unsigned:
            self._size += len(part)
        if body.size > largest:
            raise _too_large(largest)
        while self._size > self.most_unsigned:
            self._drop_largest()

    def _drop_largest(self) -> None:
        largest = max(self._unsigned, key=lambda each: each.size)
        self._size -= largest.size
        largest.drop()


def _check_not_dropped(body: _Unsigned) -> None:
    if body.dropped:
        raise Refused("unavailable", "Too much is being received. Send it again later.")


def check_encoding(request: web.Request) -> None:
    """Raise Refused if the body is compressed."""
    given = ",".join(request.headers.getall("Content-Encoding", ())).lower()
    if encodings := [each for each in map(str.strip, given.split(",")) if each]:
        if encodings == ["identity"]:
            return
        raise Refused(
            "compressed_body",
            f"The body has the encoding {', '.join(encodings)}. Send it without Content-Encoding.",
        )


def _too_large(largest: int) -> Refused:
    return Refused("too_large", f"The body is larger than {largest} bytes, which is the limit.")


BODIES = web.AppKey("bodies", Bodies)
