"""Reads the body of an answer: bounded while it arrives, also if it is compressed."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from bot.tool_servers.connections import Unavailable

# Bytes of an answer after decompression. Results are shortened to fewer.
LARGEST = 4 * 1024 * 1024
# Of an error, only the beginning is of use.
LARGEST_ERROR = 16 * 1024
ENCODINGS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


@dataclass(frozen=True)
class Answer:
    """What a service answered, complete, or the beginning of an error."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").split(";", maxsplit=1)[0].strip().lower()


class TooLarge(Unavailable):
    """The service answered with this status, and with too much."""

    def __init__(self, status: int, most: int) -> None:
        text = f"Its answer is larger than {most // 1024**2} MB. Ask for less, for example by a"
        super().__init__("too_large", f"{text} filter.", sent=True)
        self.status = status
        self.most = most


async def read(answer: aiohttp.ClientResponse, largest: int = LARGEST) -> Answer:
    """The answer. Raise Unavailable if it is too large or cannot be decompressed."""
    is_error = answer.status >= 300
    body = b""
    unpack = _unpacker(answer.headers.get("Content-Encoding", ""))
    most = LARGEST_ERROR if is_error else largest
    async for part in answer.content.iter_any():
        body += unpack(part, most + 1 - len(body))
        if len(body) > most:
            # The rest is not read: leaving without it closes the connection.
            answer.close()
            if is_error:
                break
            raise TooLarge(answer.status, largest)
    return Answer(answer.status, answer.headers, body[:most])


class _Plain:
    def __call__(self, part: bytes, _most: int) -> bytes:
        return part


class _Compressed:
    """Decompresses no more than is wanted, so that a small part cannot become a huge one."""

    def __init__(self, window: int) -> None:
        self._inner = zlib.decompressobj(window)

    def __call__(self, part: bytes, most: int) -> bytes:
        try:
            return self._inner.decompress(part, most)
        except zlib.error as exc:
            text = "Its answer cannot be decompressed."
            raise Unavailable("protocol", text, sent=True) from exc


def _unpacker(encoding: str) -> _Plain | _Compressed:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if (window := ENCODINGS.get(name)) is None:
        text = f"Its answer has the unknown compression {name[:40]!r}."
        raise Unavailable("protocol", text, sent=True)
    return _Compressed(window)
