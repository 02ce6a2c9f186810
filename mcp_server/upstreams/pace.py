"""A bound on how many messages of a server are read in a second: others need the processor too."""

import asyncio
import time

# At once, and then in each second.
BURST, RATE = 500, 200


class Pace:
    """A quiet time gives no more room than the burst."""

    def __init__(self, burst: int = BURST, rate: float = RATE) -> None:
        self._burst_s, self._each_s = burst / rate, 1 / rate
        self._free_at = 0.0

    def count(self, messages: int, now: float) -> float:
        """Count messages. Return after how many seconds they are within the bound."""
        self._free_at = max(self._free_at, now - self._burst_s) + messages * self._each_s
        return max(0.0, self._free_at - now)

    async def keep(self, messages: int) -> None:
        """Count messages that were read. Wait if they come too fast."""
        if (early := self.count(messages, time.monotonic())) > 0:
            await asyncio.sleep(early)
