"""What keeps a process from being ready."""

from bot.background.loops import Loops
from bot.times import SECOND
from store.engine.transaction import Store, Tx
from store.inbox import deliveries

# A mirror that is this far behind is not to be trusted without saying so.
LATE_S = 60


async def problems(store: Store, loops: Loops) -> dict[str, str]:
    """What is wrong, by part. `github` alone degrades: the mirror serves on."""
    found = loops.health()
    try:
        late = await store.read(_lag)
    except Exception as exc:  # noqa: BLE001 - any failure of the database is the answer
        return found | {"database": f"{type(exc).__name__}: {exc}"}
    if late > LATE_S:
        found["mirror"] = f"the oldest delivery that is not processed came {late:.0f} s ago"
    return found


async def _lag(tx: Tx) -> float:
    oldest = await deliveries.oldest(tx)
    return (await tx.now() - oldest) / SECOND if oldest else 0.0
