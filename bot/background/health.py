"""The problems that `/readyz` reports."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bot.times import SECOND
from store.engine import key_values
from store.engine.transaction import Store, Tx
from store.inbox import deliveries

# A mirror that is further behind is a problem.
LATE_S = 60
# How long the database may take.
PROBE_S = 3.0
# Anybody may ask. For this long all get the result of one probe.
FRESH_S = 1.0


@dataclass
class Readiness:
    """Probes the database with a write, because a full or read-only one still answers reads."""

    store: Store
    # The problems of the loops.
    trouble: Callable[[], dict[str, str]]
    probe_s: float = PROBE_S
    fresh_s: float = FRESH_S
    _probe: asyncio.Task[float] | None = None
    _began: float = 0.0

    async def problems(self) -> dict[str, str]:
        """The problems by part. With `github` alone the process still answers, from the mirror."""
        found = self.trouble()
        try:
            async with asyncio.timeout(self.probe_s):
                late = await asyncio.shield(self._newest_probe())
        except TimeoutError:
            return found | {"database": f"no answer within {self.probe_s:g} s"}
        except Exception as exc:  # noqa: BLE001 - any failure of the database is reported
            return found | {"database": f"{type(exc).__name__}: {exc}"}
        if late > LATE_S:
            found["mirror"] = f"the oldest unprocessed delivery arrived {late:.0f} s ago"
        return found

    def _newest_probe(self) -> asyncio.Task[float]:
        """At most one runs at a time."""
        now = asyncio.get_running_loop().time()
        probe = self._probe
        if probe is None or (probe.done() and now - self._began >= self.fresh_s):
            self._began = now
            self._probe = probe = asyncio.create_task(self.store.write(_write_and_read_lag))
            probe.add_done_callback(_see_outcome)
        return probe


def _see_outcome(probe: asyncio.Task[float]) -> None:
    """Perhaps nobody waits for it any more."""
    if not probe.cancelled():
        probe.exception()


async def _write_and_read_lag(tx: Tx) -> float:
    now = await tx.now()
    await key_values.put(tx, "readiness", str(now))
    oldest = await deliveries.oldest(tx)
    return (now - oldest) / SECOND if oldest else 0.0
