"""How often an address may ask for a login, and a client for a token."""

import time
from collections.abc import Callable, Hashable

from cachetools import TTLCache

from bot.errors import Refused

WINDOW_S = 60
MOST_CALLERS = 10_000


class Limit:
    """At most so many requests of each caller within a minute of the first one."""

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._counts: TTLCache[Hashable, list[int]] = TTLCache(MOST_CALLERS, WINDOW_S, now)

    def count(self, caller: Hashable) -> None:
        """Count one. Raise Refused if there were too many."""
        # Only a new entry has a new time: the count in it changes in place.
        count = self._counts.setdefault(caller, [0])
        if count[0] >= self._most:
            raise Refused(
                "rate_limited",
                f"More than {self._most} requests within a minute. Try again in {WINDOW_S} s.",
                retry_after_s=WINDOW_S,
            )
        count[0] += 1
