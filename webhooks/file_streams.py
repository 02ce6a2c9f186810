"""What uploads and downloads of files have in common: how many there may be at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bot.errors import Refused
from webhooks.request_limits import Limit

# Each takes a few chunks of memory.
MOST_AT_ONCE = 32
# Requests of one address within a minute.
MOST_REQUESTS = 600


@dataclass
class FileStreams:
    limit: Limit = field(default_factory=lambda: Limit(MOST_REQUESTS))
    running: int = 0

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """Count a stream as long as it runs. Raise Refused."""
        self.limit.count(address)
        if self.running >= MOST_AT_ONCE:
            raise Refused("unavailable", "Too many files are being sent. Try again in a minute.")
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


STREAMS = web.AppKey("file streams", FileStreams)
