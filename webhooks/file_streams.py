"""What uploads and downloads of files have in common: how many there may be at once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bot.errors import Refused
from webhooks.request_limits import Limit

# Each takes a few chunks of memory. The second number is for one installation.
MOST_AT_ONCE, MOST_OF_ONE = 64, 16
# How long one chunk may take on its way: a client that hardly sends or reads anything keeps its
# place from others.
CHUNK_S = 120.0
# Requests of one address within a minute.
MOST_REQUESTS = 600


@dataclass
class FileStreams:
    limit: Limit = field(default_factory=lambda: Limit(MOST_REQUESTS))
    running: Counter[int] = field(default_factory=Counter)

    @contextmanager
    def one(self, address: str, installation_id: int) -> Iterator[None]:
        """Count a stream as long as it runs. Raise Refused."""
        self.limit.count(address)
        if self.running[installation_id] >= MOST_OF_ONE or self.running.total() >= MOST_AT_ONCE:
            raise Refused("unavailable", "Too many files are being sent. Try again in a minute.")
        self.running[installation_id] += 1
        try:
            yield
        finally:
            self.running -= Counter([installation_id])


STREAMS = web.AppKey("file streams", FileStreams)
