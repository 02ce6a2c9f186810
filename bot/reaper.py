"""What time brings about: leases run out, answers kept for retries are forgotten."""

from functools import partial

import structlog

from bot import tasks
from bot.hub import Hub
from bot.times import SECOND
from store import leases, requests
from store.transaction import Tx

log = structlog.get_logger()

BATCH = 100
# As long as a client may come back for the answer to a call.
REQUESTS_KEPT = 24 * 3600 * SECOND


async def step(hub: Hub) -> int:
    """Free what dead agents hold, each in a transaction of its own: how many."""
    overdue = await hub.store.read(lambda tx: leases.overdue(tx, BATCH))
    for lease in overdue:
        try:
            await hub.store.write(partial(tasks.expire, lease=lease))
        except Exception:  # of one lease: the others must not wait for it
            log.exception("lease not expired", lease=lease["id"])
    return len(overdue)


async def forget(hub: Hub) -> int:
    """Drop answers that nobody will ask for again, in small batches."""

    async def work(tx: Tx) -> int:
        return await requests.forget(tx, await tx.now() - REQUESTS_KEPT, BATCH)

    return await hub.store.write(work)
