"""Drops what is kept no longer, a small batch at a time, beside all other work."""

from dataclasses import dataclass
from functools import partial

import structlog

from bot.settings import Settings
from bot.times import SECOND
from store import retention
from store.engine.transaction import Store, Tx
from store.fetch import backfills

log = structlog.get_logger()

BATCH = 200
# So many are looked at by a step, for most of the old ones stay: each is its task's last.
LEASES = 500
DAY = 24 * 3600 * SECOND


@dataclass(frozen=True)
class Kept:
    """For how long, microseconds."""

    deliveries: int
    history: int
    grace: int
    # As long as a client may come back for the answer to a call.
    requests: int = DAY

    def of(self, table: str) -> int:
        return {"deliveries": self.deliveries, "requests": self.requests}.get(table, self.history)


def kept(settings: Settings) -> Kept:
    return Kept(
        deliveries=settings.keep_deliveries_days * DAY,
        history=settings.keep_history_days * DAY,
        grace=settings.grace_days * DAY,
    )


async def step(store: Store, keeping: Kept, places: dict[int, str]) -> int:
    """A batch of each kind: how many rows went. Come again at once while there are any.

    `places`: how far each installation's leases were gone through; give the same each time.
    """
    now = await store.read(lambda tx: tx.now())
    dropped = 0
    for table in retention.SETTLED:
        before = now - keeping.of(table)
        dropped += await store.write(
            partial(retention.drop_settled, table=table, before=before, limit=BATCH)
        )
    for installation_id in await store.read(retention.installations):
        dropped += await _grown(store, installation_id, now - keeping.history)
        dropped += await _leases(store, installation_id, now - keeping.history, places)
    return dropped + await _purge(store, now - keeping.grace)


async def _grown(store: Store, installation_id: int, before: int) -> int:
    dropped = 0
    for table in retention.GROWING:
        which = {"table": table, "installation_id": installation_id}
        dropped += await store.write(
            partial(retention.drop_oldest, **which, before=before, limit=BATCH)  # type: ignore[arg-type]
        )
    return dropped + await store.write(
        lambda tx: retention.drop_messages(tx, installation_id, before, BATCH)
    )


async def _leases(store: Store, installation_id: int, before: int, places: dict[int, str]) -> int:
    after = places.get(installation_id, "")
    dropped, places[installation_id] = await store.write(
        lambda tx: retention.drop_leases(tx, installation_id, after, before, LEASES)
    )
    return dropped


async def _purge(store: Store, before: int) -> int:
    dropped = 0
    for installation_id, removed in await store.read(
        lambda tx: retention.gone_installations(tx, before)
    ):
        n = await store.write(partial(_purged, installation_id=installation_id, removed=removed))
        if n:
            log.info("installation purged", installation=installation_id, rows=n)
        dropped += n
    return dropped


async def _purged(tx: Tx, installation_id: int, *, removed: bool) -> int:
    n = await retention.purge(tx, installation_id, BATCH, removed=removed)
    if n and not removed:
        await backfills.forget(tx, installation_id)
    return n
