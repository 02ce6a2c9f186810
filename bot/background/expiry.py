"""What time brings about: leases run out, reservations lapse, messages die unread."""

from functools import partial

import structlog

from bot.dispatch.dispatcher import Hub
from bot.messages import delivery
from bot.tasks import lifecycle
from store.engine.transaction import Row, Tx, Work
from store.tasks import leases
from store.tasks import tasks as stored

log = structlog.get_logger()

BATCH = 100


async def step(hub: Hub) -> int:
    """Free what dead agents hold, each in a transaction of its own: how many."""
    overdue = await hub.store.read(lambda tx: leases.overdue(tx, BATCH))
    ended = [await _each(hub, each, partial(lifecycle.expire, lease=each)) for each in overdue]
    lapsed = await hub.store.read(_lapsed)
    ended += [await _each(hub, each, partial(lifecycle.lapse, which=each)) for each in lapsed]
    dead = await hub.store.write(lambda tx: delivery.expire(tx, BATCH))
    return sum(ended) + dead


async def _lapsed(tx: Tx) -> list[Row]:
    return await stored.reserved_before(tx, await tx.now() - lifecycle.RESERVED_FOR, BATCH)


async def _each(hub: Hub, row: Row, work: Work[bool]) -> bool:
    try:
        return await hub.store.write(work)
    except Exception:  # of one: the others must not wait for it
        log.exception("not expired", row=row["id"])
        return False
