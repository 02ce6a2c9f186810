"""Samples what is left of each installation's limits, so that people can see it over time."""

from functools import partial

from bot.background.attempts import attempt
from bot.outbox import usage
from bot.times import MINUTE
from store.engine.transaction import Store, Tx
from store.outbox import budget_samples, sender_leases
from store.tables.outbox import BudgetSampleRow

EVERY = 5 * MINUTE
# The name of the sample that counts waiting writes, beside those of the limits.
QUEUE = "queue"


async def step(store: Store) -> int:
    """Sample the installations that wrote last, once in five minutes. Return how many."""
    now = await store.read(lambda tx: tx.now())
    at = now - now % EVERY
    due = await store.read(partial(_due, at=at))
    taken = 0
    for installation_id in due:
        taking = store.write(partial(_sample, installation_id=installation_id, at=at))
        taken += await attempt(taking, "budget not sampled", installation=installation_id)
    return taken


async def _due(tx: Tx, at: int) -> list[int]:
    """The installations without a sample of this time."""
    active = await sender_leases.latest(tx, usage.MOST_INSTALLATIONS)
    return [each for each in active if await budget_samples.newest_at(tx, each) < at]


async def _sample(tx: Tx, installation_id: int, at: int) -> int:
    await budget_samples.put(tx, await _rows(tx, installation_id, at))
    return 1


async def _rows(tx: Tx, installation_id: int, at: int) -> list[BudgetSampleRow]:
    now = await usage.of(tx, installation_id)
    limits = [(each.name, each.limit, each.left) for each in now.buckets if each.left is not None]
    waiting = sum(each["n"] for each in now.rows) + now.paused
    return [
        BudgetSampleRow(installation_id=installation_id, at=at, name=name, limit_=most, n=left)
        for name, most, left in [*limits, (QUEUE, None, waiting)]
        if left is not None
    ]
