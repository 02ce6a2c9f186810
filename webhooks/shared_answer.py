"""A costly answer that anybody may ask for: all who ask within a while get the same."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

# An answer stays fresh for this many times as long as it took. So it takes at most this part of
# the server's time, however often strangers ask.
TIMES = 20


@dataclass
class SharedAnswer(Generic[T]):
    now: Callable[[], float] = time.monotonic
    _making: asyncio.Task[T] | None = None
    _fresh_until: float = 0.0

    async def get(self, make: Callable[[], Awaitable[T]]) -> T:
        """The newest answer. At most one is made at a time. Raise what `make` raises."""
        if self._making is None or (self._making.done() and self.now() >= self._fresh_until):
            self._making = asyncio.create_task(self._make(make))
        return await asyncio.shield(self._making)

    async def _make(self, make: Callable[[], Awaitable[T]]) -> T:
        began = self.now()
        try:
            return await make()
        finally:
            ended = self.now()
            self._fresh_until = ended + TIMES * (ended - began)
