"""How many tasks are in each state, counted once for all who look at the same time.

A count reads up to 10,000 rows of each state, so a hundred browsers must not each cause one.
"""

from functools import partial
from typing import Any, TypeAlias

from aiohttp import web
from cachetools import TTLCache

from webhooks.page.visit import Visit
from webhooks.shared_answer import SharedAnswer

# The account, the repositories within reach, and the repository of the filter.
Key: TypeAlias = tuple[int, frozenset[int] | None, str]
Counts: TypeAlias = TTLCache[Key, SharedAnswer[Any]]
COUNTS = web.AppKey("counts", TTLCache)
MOST_KEPT, KEPT_S = 1000, 60


def new_counts() -> Counts:
    return TTLCache(MOST_KEPT, KEPT_S)


async def counts_of(visit: Visit, repository: str = "") -> Any:
    """The answer of `count_tasks`. Raise Refused."""
    actor = visit.actor
    key = (actor.installation_id, actor.repositories, repository.casefold())
    shared = visit.request.app[COUNTS].setdefault(key, SharedAnswer())
    return await shared.get(partial(visit.call, "count_tasks", repository=repository))
