"""The clock of a MySQL server, which all processes share.

To ask for it in each transaction would cost a round trip each. So a process asks every other
second, and adds the time that its own steady clock has counted since.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

# After so long the server is asked again. Steady clocks drift by microseconds in this time.
KEPT_S = 2.0
# An answer that took longer says too little about when the server read its clock.
LONGEST_ANSWER_S = 0.02
# If this machine's two clocks part by more, it slept, or its time was set.
PARTED_S = 0.05


@dataclass(frozen=True)
class Look:
    """The server's time in microseconds, and this machine's clocks in seconds at that moment."""

    server: int
    steady: float
    wall: float

    def now(self, steady: float, wall: float) -> int | None:
        """The server's time now. None if the look is too old, or this machine slept since."""
        passed = steady - self.steady
        if passed > KEPT_S or abs((wall - self.wall) - passed) > PARTED_S:
            return None
        return self.server + int(passed * 1_000_000)


class Clock(Protocol):
    async def now(self, ask: Callable[[], Awaitable[int]]) -> int:
        """Microseconds UTC. `ask`: asks the server."""


@dataclass(frozen=True)
class GivenClock:
    """A clock that tests step."""

    read: Callable[[], int]

    async def now(self, _ask: Callable[[], Awaitable[int]]) -> int:
        return self.read()


class ServerClock:
    def __init__(self) -> None:
        self._look: Look | None = None

    async def now(self, ask: Callable[[], Awaitable[int]]) -> int:
        known = self._look and self._look.now(time.monotonic(), time.time())
        if known:
            return known
        before, wall = time.monotonic(), time.time()
        server = await ask()
        took = time.monotonic() - before
        if took <= LONGEST_ANSWER_S:
            self._look = Look(server, before + took / 2, wall + took / 2)
        return server
