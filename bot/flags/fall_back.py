"""Turns off a flag with which calls fail more often than without it."""

import structlog

from bot.flags import comparison
from bot.flags.known import FLAGS
from bot.identity.actors import BOT
from store.audit import records
from store.engine.transaction import Store, Tx
from store.flags import feature_flags, flag_counts
from store.flags.flag_counts import HOUR, Count
from store.tables.flags import FeatureFlagRow

log = structlog.get_logger()

# How far back calls count. Those with the flag on are forgotten when somebody sets it.
WINDOW = 24 * HOUR
NONE = Count()


async def step(store: Store) -> int:
    """Compare the arms of each flag that is on somewhere. Return how many flags fell back."""
    rows = [row for row in await store.read(feature_flags.rows) if row["state"] == "on"]
    counts = await store.read(_counts) if rows else {}
    fallen = 0
    for name in sorted({row["name"] for row in rows} & FLAGS.keys()):
        on, off = counts.get((name, True), NONE), counts.get((name, False), NONE)
        if comparison.is_worse(on, off):
            here = [row for row in rows if row["name"] == name]
            fallen += await _turn_off(store, name, here, on, off)
    return fallen


async def _counts(tx: Tx) -> dict[tuple[str, bool], Count]:
    return await flag_counts.sums(tx, await tx.now() - WINDOW)


async def _turn_off(
    store: Store, name: str, rows: list[FeatureFlagRow], on: Count, off: Count
) -> bool:
    """Turn all its rows off. False if another process did, or somebody changed them."""
    why = comparison.describe(on, off)
    numbers = {"on_calls": on.calls, "on_errors": on.errors}
    numbers |= {"off_calls": off.calls, "off_errors": off.errors}

    async def write(tx: Tx) -> bool:
        marked = [row for row in rows if await feature_flags.mark_fallen_back(tx, row, BOT, why)]
        for row in marked:
            here = row["installation_id"]
            await records.append(tx, here, BOT, "flag fall back", name, data=numbers)
        return bool(marked)

    fell = await store.write(write)
    if fell:
        log.error("feature flag turned off", flag=name, **numbers)
    return fell
