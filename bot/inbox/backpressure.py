"""Webhooks come first: GitHub waits ten seconds for an answer, and the mirror can wait longer."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

# Webhooks are many while each comes so soon after another came or was stored.
CLOSE_S = 0.025
# The worker waits this long after the last of many webhooks, and never longer than AT_MOST_S.
QUIET_S = 0.05
AT_MOST_S = 0.4
# Then it may work this long before it waits again, so that it has a share of the time.
WORK_S = 0.02


@dataclass
class Backpressure:
    """The webhook handler reports each webhook; the worker waits while many come in."""

    now: Callable[[], float] = time.monotonic
    _last_at: float = -CLOSE_S
    _busy_at: float = -QUIET_S
    _work_until: float = 0.0
    # Whether the worker's turn came although webhooks did not stop.
    _broke_in: bool = False

    def report_arrival(self) -> None:
        now = self.now()
        if now - self._last_at < CLOSE_S:
            self._busy_at = now
        self._last_at = now

    def report_stored(self) -> None:
        """The sender's next webhook may come at once, however long the commit took."""
        self._last_at = self.now()

    def is_busy(self) -> bool:
        """Whether many webhooks came in just now."""
        return self.now() - self._busy_at < QUIET_S

    async def wait(self) -> None:
        """Wait while many webhooks come in, unless the worker has waited just before."""
        if self.now() < self._work_until:
            return
        until = self.now() + AT_MOST_S
        if self._broke_in:
            # Webhooks that came while it worked are only heard now.
            await asyncio.sleep(CLOSE_S)
        while self.is_busy() and self.now() < until:  # noqa: ASYNC110 - cheap
            await asyncio.sleep(QUIET_S)
        self._broke_in = self.is_busy()
        self._work_until = self.now() + WORK_S
