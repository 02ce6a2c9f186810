"""Intake goes first: GitHub waits ten seconds for an answer, the mirror can catch up later."""

import asyncio
import time

# After a crowd at the inbox others hold back for so long; and never longer in a row than that.
QUIET_S = 0.05
AT_MOST_S = 0.5


class Backpressure:
    """Noted by the inbox, heeded by what works through it."""

    def __init__(self) -> None:
        self._crowded_at = 0.0

    def note(self) -> None:
        self._crowded_at = time.monotonic()

    async def ease(self) -> None:
        """Hold back while deliveries crowd in."""
        until = time.monotonic() + AT_MOST_S
        while self._crowded_at + QUIET_S > time.monotonic() < until:  # noqa: ASYNC110 - cheap
            await asyncio.sleep(QUIET_S)
