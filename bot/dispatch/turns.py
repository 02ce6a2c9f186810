"""Calls at the same time: one caller with very many of them does not crowd out the others."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from bot.errors import Refused

RETRY_AFTER_S = 5


@dataclass(frozen=True)
class Turns:
    """`most`: how many calls of one caller run at once; its others wait, at most `wait_s`."""

    most: int
    wait_s: float = 20.0
    _places: WeakValueDictionary[Hashable, asyncio.Semaphore] = field(
        default_factory=WeakValueDictionary
    )

    @asynccontextmanager
    async def take(self, caller: Hashable) -> AsyncIterator[None]:
        """Wait for the call's turn. Raise Refused."""
        places = self._places.get(caller)
        if places is None:
            self._places[caller] = places = asyncio.Semaphore(self.most)
        if places.locked():
            await self._wait(places)
        else:
            await places.acquire()
        try:
            yield
        finally:
            places.release()

    async def _wait(self, places: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self.wait_s):
                await places.acquire()
        except TimeoutError as exc:
            raise Refused(
                "rate_limited",
                f"Too many calls came at once, and this one had no turn within {self.wait_s:g} s. "
                "Nothing was changed. Call again later.",
                retry_after_s=RETRY_AFTER_S,
            ) from exc
