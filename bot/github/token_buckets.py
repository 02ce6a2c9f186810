"""The limits that GitHub does not report, kept as buckets that fill again: pure.

All that a bucket's state needs is the time at which it will be full. In any span of time no more
is taken than it holds at most and what flows in meanwhile: the two together stay below GitHub's.
Times are microseconds UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.times import SECOND


@dataclass(frozen=True)
class Allowance:
    """`most`: what it holds; `inflow`: what comes back in each `span`."""

    name: str
    most: int
    inflow: int
    span: int

    def left(self, full_at: int, now: int) -> float:
        return self.most - max(0, full_at - now) * self.inflow / self.span

    def taken(self, full_at: int, now: int, n: int) -> int:
        """When it will be full, after `n` more were taken."""
        return max(full_at, now) + n * self.span // self.inflow

    def ready_at(self, full_at: int, now: int, n: int, reserve: float = 0) -> int:
        """The earliest time at which `n` can be taken and the share `reserve` still stays."""
        may_lack = self.most * (1 - reserve) - n
        begin = full_at if may_lack >= 0 else max(full_at, now)
        return max(now, begin - int(may_lack * self.span / self.inflow))


# GitHub takes 500 requests an hour that create content, and 80 a minute; the spacing of
# mutations keeps the latter. Which requests it counts it does not say: each mutation is counted.
CONTENT = Allowance("content", most=180, inflow=320, span=3600 * SECOND)
# 900 points a minute; GraphQL has 2,000, and is counted in with the rest.
POINTS = Allowance("points", most=290, inflow=600, span=60 * SECOND)
ALLOWANCES = (CONTENT, POINTS)


@dataclass(frozen=True)
class Cost:
    """What a request takes. `reserve`: the share of each budget that it leaves to others."""

    resource: str = "core"
    mutates: bool = False
    notifies: bool = False
    reserve: float = 0

    def of(self, allowance: Allowance) -> int:
        if allowance is CONTENT:
            return int(self.mutates)
        return 5 if self.mutates else 1


def ready_at(full_at: Mapping[str, int], cost: Cost, now: int) -> int:
    """When all allowances have what a request costs."""
    times = [
        each.ready_at(full_at.get(each.name, 0), now, n, cost.reserve)
        for each in ALLOWANCES
        if (n := cost.of(each))
    ]
    return max([now, *times])


def taken(
    full_at: Mapping[str, int], cost: Cost, now: int, *, back: bool = False
) -> dict[str, int]:
    """The allowances after a request, or after one that was not sent: those that it changes."""
    return {
        each.name: each.taken(full_at.get(each.name, 0), now, -n if back else n)
        for each in ALLOWANCES
        if (n := cost.of(each))
    }
