"""Deletes rows after the retention time, in small batches beside all other work."""

from dataclasses import dataclass
from functools import partial

import structlog

from bot.audit.seals import sign
from bot.files import removal
from bot.identity.actors import BOT
from bot.identity.keyring import Keys
from bot.settings import Settings
from bot.times import SECOND
from store import retention
from store.audit import records, seals
from store.audit.records import NO_INSTALLATION
from store.engine.transaction import Store, Tx
from store.fetch import backfills
from store.flags import flag_counts
from store.mirror import code_objects

log = structlog.get_logger()

BATCH = 200
DAY = 24 * 3600 * SECOND
# Leases that one step looks at. Most old ones stay, because the last lease of a task is kept.
LEASES = 500
# Workflows that one step deletes, with at most a hundred steps each.
WORKFLOWS = 5
# What is kept of the code of one installation, in compressed bytes. The loop drops the rest every
# ten minutes, so for a short time there may be more.
MOST_CODE = 256 * 1024**2
# Counts of feature flags: the comparison looks back a day.
KEEP_COUNTS = 2 * DAY


@dataclass(frozen=True)
class RetentionTimes:
    """How long rows are kept, in microseconds."""

    deliveries: int
    history: int
    grace: int
    # Since code was used last.
    code: int = 30 * DAY
    # Samples of budgets, of which the page shows a month.
    samples: int = 31 * DAY
    # How long a client can repeat a call and get the same answer.
    requests: int = DAY

    def for_table(self, table: str) -> int:
        # A kept answer of a tool has its own end.
        own = {"deliveries": self.deliveries, "requests": self.requests, "tool_cache": 0}
        return own.get(table, self.history)


def retention_times(settings: Settings) -> RetentionTimes:
    return RetentionTimes(
        deliveries=settings.keep_deliveries_days * DAY,
        history=settings.keep_history_days * DAY,
        grace=settings.grace_days * DAY,
    )


async def step(store: Store, keys: Keys, times: RetentionTimes, places: dict[int, str]) -> int:
    """Delete a batch of each kind. Return how many rows were deleted; call again while it is > 0.

    `places`: how far the leases of each installation were checked. Pass the same dict each time.
    """
    now = await store.read(lambda tx: tx.now())
    dropped = 0
    for table in retention.SETTLED:
        before = now - times.for_table(table)
        dropped += await store.write(
            partial(retention.drop_settled, table=table, before=before, limit=BATCH)
        )
    dropped += await store.write(lambda tx: flag_counts.drop(tx, now - KEEP_COUNTS, BATCH))
    dropped += await _drop_audit(store, keys, NO_INSTALLATION, now - times.history)
    for installation_id in await store.read(retention.installations):
        dropped += await _drop_history(store, installation_id, now - times.history)
        dropped += await _drop_audit(store, keys, installation_id, now - times.history)
        dropped += await store.write(
            partial(
                retention.drop_budget_samples,
                installation_id=installation_id,
                before=now - times.samples,
                limit=BATCH,
            )
        )
        dropped += await _drop_leases(store, installation_id, now - times.history, places)
        dropped += await store.write(
            partial(
                code_objects.drop_unused,
                installation_id=installation_id,
                most=MOST_CODE,
                before=now - times.code,
                limit=BATCH,
            )
        )
        dropped += await removal.step(store, installation_id, now)
    return dropped + await _purge_removed(store, now - times.grace)


async def _drop_history(store: Store, installation_id: int, before: int) -> int:
    dropped = 0
    for table in retention.GROWING:
        which = {"table": table, "installation_id": installation_id}
        dropped += await store.write(
            partial(retention.drop_oldest, **which, before=before, limit=BATCH)  # type: ignore[arg-type]
        )
    dropped += await store.write(
        lambda tx: retention.drop_workflows(tx, installation_id, before, WORKFLOWS)
    )
    return dropped + await store.write(
        lambda tx: retention.drop_messages(tx, installation_id, before, BATCH)
    )


async def _drop_audit(store: Store, keys: Keys, installation_id: int, before: int) -> int:
    """Drop the rows of the oldest seal if all of them are old. The seal stays, and says so."""

    async def work(tx: Tx) -> int:
        seal = await seals.oldest_kept(tx, installation_id)
        if seal is None:
            return 0
        covered = (seal["after_seq"], seal["to_seq"])
        if await records.newest_at(tx, installation_id, *covered) >= before:
            return 0
        dropped = await records.drop(tx, installation_id, seal["to_seq"])
        await seals.replace(tx, sign(keys, {**seal, "dropped_at": await tx.now()}))
        return max(dropped, 1)

    return await store.write(work)


async def _drop_leases(
    store: Store, installation_id: int, before: int, places: dict[int, str]
) -> int:
    after = places.get(installation_id, "")
    dropped, places[installation_id] = await store.write(
        lambda tx: retention.drop_leases(tx, installation_id, after, before, LEASES)
    )
    return dropped


async def _purge_removed(store: Store, before: int) -> int:
    dropped = 0
    for installation_id, removed in await store.read(
        lambda tx: retention.gone_installations(tx, before)
    ):
        n = await store.write(
            partial(_purge_batch, installation_id=installation_id, removed=removed)
        )
        if n:
            log.info("installation purged", installation=installation_id, rows=n)
        dropped += n
    return dropped


async def _purge_batch(tx: Tx, installation_id: int, *, removed: bool) -> int:
    n = await retention.purge(tx, installation_id, BATCH, removed=removed)
    if n and not removed:
        await backfills.forget(tx, installation_id)
    if 0 < n < BATCH and removed:
        purged = str(installation_id)
        await records.append(tx, NO_INSTALLATION, BOT, "installation.purged", purged)
    return n
