"""What time brings about: leases run out, reservations lapse, messages die unread."""

from functools import partial

import structlog

from bot import messages, tasks
from bot.hub import Hub
from store import leases
from store import tasks as stored
from store.transaction import Row, Tx, Work

log = structlog.get_logger()

BATCH = 100


async def step(hub: Hub) -> int:
    """Free what dead agents hold, each in a transaction of its own: how many."""
    overdue = await hub.store.read(lambda tx: leases.overdue(tx, BATCH))
    for lease in overdue:
        await _each(hub, lease, partial(tasks.expire, lease=lease))
    lapsed = await hub.store.read(_lapsed)
    for task in lapsed:
        await _each(hub, task, partial(tasks.lapse, which=task))
    dead = await hub.store.write(lambda tx: messages.expire(tx, BATCH))
    return len(overdue) + len(lapsed) + dead


async def _lapsed(tx: Tx) -> list[Row]:
    return await stored.reserved_before(tx, await tx.now() - tasks.RESERVED_FOR, BATCH)


async def _each(hub: Hub, row: Row, work: Work[None]) -> None:
    try:
        await hub.store.write(work)
    except Exception:  # of one: the others must not wait for it
        log.exception("not expired", row=row["id"])
