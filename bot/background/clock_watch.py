"""Notices a clock that was set back, and mends the times that were stored before."""

import asyncio
from dataclasses import dataclass
from functools import partial

import structlog

from bot.fetch.delivery_log import WINDOW
from bot.repository import schedules
from bot.times import SECOND
from store import clock
from store.engine import key_values
from store.engine.transaction import Store, Tx
from store.mirror.freshness import SURVEYED
from store.runs.run_schedules import RUNS
from store.workflows.schedules import WORKFLOWS

log = structlog.get_logger()

# A clock is corrected by less in normal operation.
SLACK_S = 1.0


@dataclass
class ClockWatch:
    store: Store
    # The last look: the stored time in microseconds, and the seconds of a clock that nobody sets.
    _last: tuple[int, float] | None = None

    async def step(self) -> int:
        """Mend at start, because the clock may have been ahead before, and when it was set back."""
        now = await self.store.read(lambda tx: tx.now())
        steady = asyncio.get_running_loop().time()
        last, self._last = self._last, (now, steady)
        if last is None or (now - last[0]) / SECOND < steady - last[1] - SLACK_S:
            await self._mend()
        return 0

    async def _mend(self) -> None:
        for each in clock.TIMES:
            if n := await self.store.write(partial(clock.mend, each=each)):
                log.warning("times were in the future", table=each.table, time=each.column, rows=n)
        await self.store.write(_mend_survey)
        await self.store.write(partial(schedules.mend, schedules=RUNS))
        await self.store.write(partial(schedules.mend, schedules=WORKFLOWS))


async def _mend_survey(tx: Tx) -> None:
    """GitHub's log is read once more as far back as it goes: under which clock is unknown."""
    now = await tx.now()
    if int(await key_values.get(tx, SURVEYED) or 0) > now + clock.SLACK:
        await key_values.put(tx, SURVEYED, str(now - WINDOW))
