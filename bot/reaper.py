"""What time brings about: leases run out."""

from functools import partial

import structlog

from bot import tasks
from bot.hub import Hub
from store import leases

log = structlog.get_logger()

BATCH = 100


async def step(hub: Hub) -> int:
    """Free what dead agents hold, each in a transaction of its own: how many."""
    overdue = await hub.store.read(lambda tx: leases.overdue(tx, BATCH))
    for lease in overdue:
        try:
            await hub.store.write(partial(tasks.expire, lease=lease))
        except Exception:  # of one lease: the others must not wait for it
            log.exception("lease not expired", lease=lease["id"])
    return len(overdue)
