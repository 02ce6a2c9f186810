"""Answers that are made once for all browsers that look at the same time.

When something changes, a hundred browsers ask for the same within a second, and some answers read
thousands of rows. An answer is shared only among those who see the same, and only
if it was begun after the change that the browser has heard of.
"""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from aiohttp import web
from cachetools import TTLCache

from bot.identity import permissions
from webhooks.page.visit import Visit

# The account, the repositories within reach, whether the visitor leads all of them, the operation
# and its arguments.
Key: TypeAlias = tuple[int, frozenset[int] | None, bool, str, tuple[tuple[str, Any], ...]]
MOST_KEPT, KEPT_S = 1000, 60
# Without a change, an answer serves for so long: what it says of time grows old.
FRESH_S = 1.0
# After an answer, a pause of so many times its length: so it takes a quarter of the time at most.
PAUSES = 3


@dataclass(eq=False)
class LatestAnswer:
    """The newest answer, and the newest event that it includes."""

    _answer: Any = None
    _head: int = -1
    # The newest event that anybody who waits has heard of.
    _wanted: int = -1
    _made_at: float = 0.0
    _not_before: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, head: int, make: Any) -> Any:
        """An answer that includes all events up to `head`. One is made at a time."""
        self._wanted = max(self._wanted, head)
        async with self._lock:
            if self._head >= head and time.monotonic() - self._made_at < FRESH_S:
                return self._answer
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            began, includes = time.monotonic(), self._wanted
            self._answer = await make()
            self._head, self._made_at = includes, time.monotonic()
            self._not_before = self._made_at + PAUSES * (self._made_at - began)
            return self._answer


SHARED = web.AppKey("shared", TTLCache)


def new_cache() -> TTLCache[Key, LatestAnswer]:
    return TTLCache(MOST_KEPT, KEPT_S)


async def ask(visit: Visit, operation: str, **arguments: Any) -> Any:
    """The answer of an operation that depends on nothing of the visitor but what `Key` has."""
    actor, given = visit.actor, tuple(sorted(arguments.items()))
    leads = permissions.leads_everywhere(actor)
    key = (actor.installation_id, actor.repositories, leads, operation, given)
    latest = visit.request.app[SHARED].setdefault(key, LatestAnswer())
    return await latest.get(visit.head, partial(visit.call, operation, **arguments))
