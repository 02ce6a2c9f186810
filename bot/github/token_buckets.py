"""Token buckets for the limits that GitHub does not report. Pure.

The state of a bucket is the time at which it will be full. In any span of time requests take at
most what a full bucket holds plus what flows in, and both together stay below GitHub's limit. Times
are microseconds UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.times import SECOND


@dataclass(frozen=True)
class Allowance:
    """A bucket. It holds `most` at the most, and `inflow` flows in during each `span`."""

    name: str
    most: int
    inflow: int
    span: int

    def remaining(self, full_at: int, now: int) -> float:
        return self.most - max(0, full_at - now) * self.inflow / self.span

    def full_after(self, full_at: int, now: int, n: int) -> int:
        """When the bucket will be full, after taking `n` more."""
        return max(full_at, now) + n * self.span // self.inflow

    def ready_at(self, full_at: int, now: int, n: int, reserve: float = 0) -> int:
        """The earliest time to take `n` and still leave the share `reserve`."""
        may_lack = self.most * (1 - reserve) - n
        begin = full_at if may_lack >= 0 else max(full_at, now)
        return max(now, begin - int(may_lack * self.span / self.inflow))


# GitHub allows 500 requests an hour that create content, and 80 a minute. The spacing of mutations
# keeps to the second limit. GitHub does not say which requests it counts, so we count all.
CONTENT = Allowance("content", most=180, inflow=320, span=3600 * SECOND)
# GitHub allows REST 900 points a minute and GraphQL 2,000. We count both together.
POINTS = Allowance("points", most=290, inflow=600, span=60 * SECOND)
ALLOWANCES = (CONTENT, POINTS)


@dataclass(frozen=True)
class Cost:
    """What a request costs. `reserve` is the share of each budget that it leaves to others."""

    resource: str = "core"
    mutates: bool = False
    notifies: bool = False
    reserve: float = 0

    def of(self, allowance: Allowance) -> int:
        if allowance is CONTENT:
            return int(self.mutates)
        return 5 if self.mutates else 1


def ready_at(full_at: Mapping[str, int], cost: Cost, now: int) -> int:
    """The earliest time at which all allowances have what a request costs."""
    times = [
        each.ready_at(full_at.get(each.name, 0), now, n, cost.reserve)
        for each in ALLOWANCES
        if (n := cost.of(each))
    ]
    return max([now, *times])


def allowances_after(
    full_at: Mapping[str, int], cost: Cost, now: int, *, back: bool = False
) -> dict[str, int]:
    """The allowances that a request changes, after it. `back`: after one that was not sent."""
    return {
        each.name: each.full_after(full_at.get(each.name, 0), now, -n if back else n)
        for each in ALLOWANCES
        if (n := cost.of(each))
    }
