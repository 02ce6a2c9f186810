"""The step of the loop for digests: each repository that asks for one gets it in its time."""

from functools import partial

import structlog

from bot.comments.digests import write
from store.engine.transaction import Store
from store.tasks import digests

log = structlog.get_logger()

BATCH = 100


async def step(store: Store) -> int:
    """Write the digests whose time has come, each in a transaction of its own. Return how many."""
    due = await store.read(lambda tx: digests.due(tx, BATCH))
    written = 0
    for row in due:
        try:
            written += await store.write(partial(write, row=row))
        except Exception:  # a bug: the others must go on
            log.exception("digest not written", repository=row["repository_id"])
    return written
