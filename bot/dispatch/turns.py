"""Calls at the same time: one caller with very many of them does not crowd out the others."""

import asyncio
from collections.abc import Hashable
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

    def take(self, caller: Hashable) -> "Turn":
        """Wait for the call's turn, by `async with`. Raise Refused."""
        places = self._places.get(caller)
        if places is None:
            self._places[caller] = places = asyncio.Semaphore(self.most)
        return Turn(places, self.wait_s)


class Turn:
    """A context of its own, because one by a generator takes three times as long."""

    __slots__ = ("_places", "_wait_s")

    def __init__(self, places: asyncio.Semaphore, wait_s: float) -> None:
        self._places = places
        self._wait_s = wait_s

    async def __aenter__(self) -> None:
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._places.release()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError as exc:
            raise Refused(
                "rate_limited",
                f"Too many calls came at once, and this one had no turn within {self._wait_s:g} s. "
                "Nothing was changed. Call again later.",
                retry_after_s=RETRY_AFTER_S,
            ) from exc
