"""Webhooks come first: GitHub waits ten seconds for an answer, and the mirror can wait longer."""

import asyncio
import time

# Webhooks are many while each comes so soon after the one before.
CLOSE_S = 0.025
# The worker waits this long after the last of many webhooks, and never longer than AT_MOST_S.
QUIET_S = 0.05
AT_MOST_S = 0.25
# Then it may work this long before it waits again, so that it has a share of the time.
WORK_S = 0.025


class Backpressure:
    """The webhook handler reports each webhook; the worker waits while many come in."""

    def __init__(self) -> None:
        self._arrived_at = self._busy_at = self._work_until = 0.0

    def report_arrival(self) -> None:
        now = time.monotonic()
        if now - self._arrived_at < CLOSE_S:
            self._busy_at = now
        self._arrived_at = now

    async def wait(self) -> None:
        """Wait while many webhooks come in, unless the worker has waited just before."""
        if time.monotonic() < self._work_until:
            return
        until = time.monotonic() + AT_MOST_S
        while self._busy_at + QUIET_S > time.monotonic() < until:  # noqa: ASYNC110 - cheap
            await asyncio.sleep(QUIET_S)
        self._work_until = time.monotonic() + WORK_S
