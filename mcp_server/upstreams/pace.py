"""A bound on how many messages of a server are read in a second: others need the processor too."""

import asyncio
import time

# At once, and then in each second.
BURST, RATE = 500, 200


class Pace:
    def __init__(self) -> None:
        self._since = time.monotonic()
        self._messages = 0

    async def keep(self, messages: int) -> None:
        """Count messages that were read. Wait if they come too fast."""
        self._messages += messages
        early = (self._messages - BURST) / RATE - (time.monotonic() - self._since)
        if early > 0:
            await asyncio.sleep(early)
