"""The step of the loop for digests: each repository that asks for one gets it in its time."""

from functools import partial

from bot.background.attempts import attempt
from bot.comments.digests import write
from store.engine.transaction import Store
from store.tasks import digests

BATCH = 100


async def step(store: Store) -> int:
    """Write the digests whose time has come, each in a transaction of its own. Return how many."""
    due = await store.read(lambda tx: digests.due(tx, BATCH))
    written = 0
    for row in due:
        writing = store.write(partial(write, row=row))
        written += await attempt(writing, "digest not written", repository=row["repository_id"])
    return written
