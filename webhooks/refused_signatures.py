"""Deliveries whose signature was refused: how often that is logged, and what `/readyz` says."""

import time
from collections.abc import Callable
from dataclasses import dataclass

# Anybody can send such a request, so only the first within this time is logged.
LOG_EVERY_S = 60.0
# A problem without a new refusal is over after this time.
FORGET_AFTER_S = 3600.0
REMEDY = "Set HUBBUB_GITHUB_WEBHOOK_SECRET to the webhook secret of the App."


@dataclass
class RefusedSignatures:
    """The refusals of this process. A delivery with a right signature ends the problem."""

    now: Callable[[], float] = time.monotonic
    last_at: float | None = None
    logged_at: float | None = None
    unlogged: int = 0

    def record(self) -> int | None:
        """Count one. Return how many to log now, or None."""
        now = self.now()
        self.last_at = now
        self.unlogged += 1
        if self.logged_at is not None and now - self.logged_at < LOG_EVERY_S:
            return None
        count, self.unlogged, self.logged_at = self.unlogged, 0, now
        return count

    def clear(self) -> None:
        self.last_at = None

    def problem(self) -> str | None:
        if self.last_at is None or (ago := self.now() - self.last_at) > FORGET_AFTER_S:
            return None
        return f"webhooks are refused (signature); the last one {ago:.0f} s ago. {REMEDY}"
