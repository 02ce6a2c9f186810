"""Webhooks come first: GitHub waits ten seconds for an answer, and the mirror can wait longer."""

import asyncio
import time

# The worker waits this long after many webhooks at once, and never longer than AT_MOST_S.
QUIET_S = 0.05
AT_MOST_S = 0.5


class Backpressure:
    """The webhook handler reports many requests at once; the worker then waits."""

    def __init__(self) -> None:
        self._busy_at = 0.0

    def report_busy(self) -> None:
        self._busy_at = time.monotonic()

    async def wait(self) -> None:
        """Wait while many webhooks come in."""
        until = time.monotonic() + AT_MOST_S
        while self._busy_at + QUIET_S > time.monotonic() < until:  # noqa: ASYNC110 - cheap
            await asyncio.sleep(QUIET_S)
