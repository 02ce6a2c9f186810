"""The problems that `/readyz` reports."""

from bot.background.loops import Loops
from bot.times import SECOND
from store.engine.transaction import Store, Tx
from store.inbox import deliveries

# A mirror that is further behind is a problem.
LATE_S = 60


async def problems(store: Store, loops: Loops) -> dict[str, str]:
    """The problems by part. With `github` alone the process still answers, from the mirror."""
    found = loops.health()
    try:
        late = await store.read(_lag)
    except Exception as exc:  # noqa: BLE001 - any failure of the database is reported
        return found | {"database": f"{type(exc).__name__}: {exc}"}
    if late > LATE_S:
        found["mirror"] = f"the oldest unprocessed delivery arrived {late:.0f} s ago"
    return found


async def _lag(tx: Tx) -> float:
    oldest = await deliveries.oldest(tx)
    return (await tx.now() - oldest) / SECOND if oldest else 0.0
