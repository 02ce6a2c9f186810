"""What time brings about: leases run out, reservations lapse, messages die unread."""

from functools import partial

import structlog

from bot.messages import delivery
from bot.tasks import lifecycle
from store.engine.transaction import Row, Store, Tx, Work
from store.tasks import leases, tasks
from store.tasks.tasks import TaskKey

log = structlog.get_logger()

BATCH = 100


async def step(store: Store) -> int:
    """Free what dead agents hold, each in a transaction of its own: how many."""
    overdue = await store.read(lambda tx: leases.overdue(tx, BATCH))
    ended = [await _each(store, each, partial(lifecycle.expire, lease=each)) for each in overdue]
    lapsed = await store.read(_lapsed)
    ended += [await _each(store, each, partial(lifecycle.lapse, which=each)) for each in lapsed]
    dead = await store.write(lambda tx: delivery.expire(tx, BATCH))
    return sum(ended) + dead


async def _lapsed(tx: Tx) -> list[TaskKey]:
    return await tasks.reserved_before(tx, await tx.now() - lifecycle.RESERVED_FOR, BATCH)


async def _each(store: Store, row: Row, work: Work[bool]) -> bool:
    try:
        return await store.write(work)
    except Exception:  # of one: the others must not wait for it
        log.exception("not expired", row=row["id"])
        return False
