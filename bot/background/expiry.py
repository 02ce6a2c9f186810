"""Ends what is over: leases, reservations, steps, and messages that nobody read in time."""

from functools import partial

from bot.background.attempts import attempt
from bot.messages import consultations, deadlocks, delivery
from bot.tasks import lifecycle
from bot.workflows.execution import timeouts
from bot.workflows.offers import reservations
from store.engine.transaction import Store, Tx, Work
from store.messages import dead_letters, wait_circles
from store.messages.consultations import Due
from store.tables.tasks import LeaseRow
from store.tasks import leases, tasks
from store.tasks.tasks import TaskKey
from store.workflows import steps

BATCH = 100


async def step(store: Store) -> int:
    """End a batch, each in a transaction of its own. Return how many were ended."""
    overdue = await store.read(lambda tx: leases.overdue(tx, BATCH))
    ended = [
        await _try_to_end(store, each, partial(lifecycle.expire, lease=each)) for each in overdue
    ]
    lapsed = await store.read(_overdue_reservations)
    ended += [
        await _try_to_end(store, each, partial(reservations.expire, which=each)) for each in lapsed
    ]
    over = await store.read(consultations.due)
    ended += [
        await _try_to_end(store, each, partial(consultations.end_one, which=each)) for each in over
    ]
    more = await _end_late_steps(store) + await _expire_messages(store)
    return sum(ended) + more + await _refresh_circles(store)


async def _end_late_steps(store: Store) -> int:
    """Fail the steps of workflows whose time-out has passed."""
    late = await store.read(lambda tx: steps.overdue(tx, BATCH))
    ended = [
        await attempt(
            store.write(partial(timeouts.end, late=each)), "not ended", row=each["task_id"]
        )
        for each in late
    ]
    return sum(ended)


async def _refresh_circles(store: Store) -> int:
    """Forget circles of agents that wait for each other, once one of the waits is over."""
    found = await store.read(lambda tx: wait_circles.with_broken(tx, BATCH))
    return sum([await store.write(partial(deadlocks.refresh, installation_id=e)) for e in found])


async def _expire_messages(store: Store) -> int:
    dead = 0
    for each in await store.read(lambda tx: dead_letters.with_expired_receipts(tx, BATCH)):
        dead += await store.write(partial(delivery.expire, installation_id=each, limit=BATCH))
    return dead


async def _overdue_reservations(tx: Tx) -> list[TaskKey]:
    now = await tx.now()
    lapsed = await tasks.reserved_until(tx, now, BATCH)
    return lapsed + await tasks.reserved_before(tx, now - lifecycle.RESERVED_FOR, BATCH)


async def _try_to_end(store: Store, row: TaskKey | LeaseRow | Due, work: Work[bool]) -> int:
    return await attempt(store.write(work), "not expired", row=row["id"])
