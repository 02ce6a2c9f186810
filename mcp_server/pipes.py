"""Standard input and output, line by line, for one client."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

CHUNK = 65_536


async def lines() -> AsyncIterator[str]:
    """The lines of the input. Bytes that are no UTF-8 are surrogates.

    A thread reads them, because a file cannot be watched. It does not hold up the end of the
    process, and takes no lock of Python's own buffer.
    """
    found: asyncio.Queue[bytes | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    source = sys.stdin.fileno()

    def read() -> None:
        while part := os.read(source, CHUNK):
            loop.call_soon_threadsafe(found.put_nowait, part)
        loop.call_soon_threadsafe(found.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    rest = bytearray()
    while (part := await found.get()) is not None:
        rest += part
        if b"\n" in part:
            *whole, rest = rest.split(b"\n")
            for each in whole:
                yield _text(each)
    if rest:
        yield _text(rest)


def _text(line: bytearray) -> str:
    return line.decode("utf-8", errors="surrogateescape").lstrip("\ufeff")


def write(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")
    sys.stdout.buffer.flush()
