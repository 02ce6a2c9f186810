"""How often one service is called: requests a minute, and what the service asks to wait."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bot import times

# Seconds that a call waits for its turn. A longer wait is the caller's.
LONGEST_WAIT_S = 5.0
# The longest wait that is believed.
LONGEST_PAUSE_S = 3600.0
DEFAULT_PAUSE_S = 10.0


@dataclass
class Pace:
    """`now`: seconds that only grow. `per_minute`: None for no limit."""

    per_minute: int | None
    now: Callable[[], float]
    _free_at: float = 0.0
    _paused_until: float = 0.0

    def take_turn(self) -> float:
        """Seconds until the next request may be sent. Its turn counts only if it can wait."""
        now = self.now()
        wait = max(self._paused_until - now, 0.0)
        if self.per_minute is None:
            return wait
        # A burst of a tenth of the minute's requests is fine.
        gap = 60.0 / self.per_minute
        earliest = now - gap * (self.per_minute // 10)
        turn = max(self._free_at, earliest)
        wait = max(wait, turn - now)
        if wait <= LONGEST_WAIT_S:
            self._free_at = max(turn, now + wait - gap * (self.per_minute // 10)) + gap
        return wait

    def pause(self, seconds: float) -> None:
        """The service asks to send nothing for a while."""
        self._paused_until = max(self._paused_until, self.now() + seconds)


def retry_after(header: str | None) -> float:
    """The seconds of a header `Retry-After`, bounded."""
    found = times.retry_after(header or "", time.time())
    return DEFAULT_PAUSE_S if found is None else min(found, LONGEST_PAUSE_S)
