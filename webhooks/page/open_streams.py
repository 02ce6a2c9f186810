"""The open streams of updates of this process: how many there may be, and whose make room."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from bot.errors import Refused

# Open streams of one process, and of one login. A browser has one for each visible tab.
MOST_STREAMS, MOST_OF_SESSION = 500, 12


class Replaceable(Protocol):
    is_replaced: bool


@dataclass(eq=False)
class Streams:
    """The open streams of this process. `every_s`: between two messages to one browser.

    `pause`: waits so long.
    """

    every_s: float = 1.0
    most: int = MOST_STREAMS
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _open: dict[str, list[Replaceable]] = field(default_factory=lambda: defaultdict(list))

    @property
    def count(self) -> int:
        return sum(map(len, self._open.values()))

    @contextmanager
    def add(self, session: str, stream: Replaceable) -> Iterator[None]:
        """Count a stream. The oldest ones of the same login make room. Raise Refused."""
        if self.count >= self.most:
            raise _too_many(
                f"{self.most} browsers are connected, which is the limit of this server"
            )
        # Those that make room end when they look again, so a login may have twice as many.
        if len(self._open.get(session, ())) >= 2 * MOST_OF_SESSION:
            raise _too_many("This login opens streams faster than old ones end")
        mine = self._open[session]
        mine.append(stream)
        for each in mine[:-MOST_OF_SESSION]:
            each.is_replaced = True
        try:
            yield
        finally:
            mine.remove(stream)
            if not mine:
                del self._open[session]


def _too_many(why: str) -> Refused:
    return Refused("too_many", f"{why}. The page works, and shows changes when you load it again.")


STREAMS = web.AppKey("streams", Streams)
