"""Schedules: the times that cron names, in UTC, and who takes one.

The process that moves the next time on starts what is due, so a time starts it once, however many
processes there are. Of the times that passed while Hubbub was away only the last one counts.
"""

from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cronsim import CronSim

from bot.times import SECOND
from store.engine.transaction import Row, Tx
from store.schedules import Schedules

RowT = TypeVar("RowT", bound=Row)

# Backwards, cron begins before the time that it gets, and something may start at this very time.
SHORTLY = timedelta(seconds=1)


def next_time(schedule: str, after: int) -> int | None:
    """The first time after `after`. None if there is none in the next decades."""
    found = next(CronSim(schedule, _date(after)), None)
    return None if found is None else _micros(found)


def last_time(schedule: str, now: int) -> int | None:
    """The last time that has passed."""
    found = next(CronSim(schedule, _date(now) + SHORTLY, reverse=True), None)
    return None if found is None else _micros(found)


def _date(at: int) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)


def _micros(at: datetime) -> int:
    return int(at.timestamp()) * SECOND


async def take(tx: Tx, schedules: Schedules[RowT], row: RowT) -> int | None:
    """Set the next time. Return the time that is due; None if another process took it."""
    now, due = await tx.now(), row["next_at"]
    if due is None or due > now:
        return None
    slot: int = max(due, last_time(row["schedule"], now) or due)
    following = next_time(row["schedule"], now)
    return slot if await schedules.advance(tx, row, following) else None


async def mend(tx: Tx, schedules: Schedules[RowT]) -> int:
    """Bring next times back that a clock which was ahead has set too late. Return how many."""
    mended, now = 0, await tx.now()
    for row in await schedules.all_after(tx, now):
        first = next_time(row["schedule"], now)
        if first is not None and first < (row["next_at"] or 0):
            mended += await schedules.advance(tx, row, first)
    return mended
