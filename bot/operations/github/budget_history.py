"""What was left of GitHub's limits over time, what was sent, and what agents reported to spend."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field

from bot.identity import permissions
from bot.kernel.operation import Answer, Context, operation
from bot.operations.tasks.spend_views import NOT_CHECKED
from bot.outbox.usage import ABOUT
from bot.quotas.money import amount
from bot.tasks import spend_caps
from bot.times import DAY, MINUTE, stamp
from store.outbox import budget_samples
from store.outbox.budgets import HOUR
from store.tables.outbox import BudgetSampleRow
from store.tables.usage import UsageSumRow
from store.tasks import usage
from store.tasks.usage import SumKey

Range: TypeAlias = Literal["day", "week", "month"]
# How far back each range goes, and the distance of its points: at most 360 points.
RANGES: dict[Range, tuple[int, int]] = {
    "day": (DAY, 5 * MINUTE),
    "week": (7 * DAY, 30 * MINUTE),
    "month": (30 * DAY, 120 * MINUTE),
}
MOST_ROWS = 5000
MOST_REPOSITORIES = 100
SAMPLED = ABOUT | {"queue": "writes that waited in the outbox"}


class Point(BaseModel):
    at: str
    n: int


class Series(BaseModel):
    name: str
    about: str = Field(description="what it counts")
    limit: int | None = None
    points: list[Point]


class DaySpend(BaseModel):
    day: str
    cost: str
    currency: str
    input_tokens: int
    output_tokens: int
    reports: int


class BudgetHistory(Answer):
    of_mirror = False

    left: list[Series] = Field(description="of each limit, and the waiting writes as `queue`")
    sent: list[Point] = Field(description="changes on GitHub in each hour")
    spend: list[DaySpend] = Field(description=f"of the repositories that you see, {NOT_CHECKED}")


@operation(reads_only=True)
async def get_budget_history(
    ctx: Context,
    range: Annotated[Range, Field(description="how far back")] = "day",  # noqa: A002 -- an argument by name
) -> BudgetHistory:
    """Return what was left of GitHub's limits, what was sent and what was spent over time."""
    length, step = RANGES[range]
    start = ctx.now - length
    here = (ctx.tx, ctx.installation_id, start)
    samples = await budget_samples.since(*here, step, MOST_ROWS)
    sent = await budget_samples.sent_by_hour(*here)
    return BudgetHistory(
        left=_series(samples),
        sent=[Point(at=stamp(row["hour"] * HOUR), n=int(row["requests"])) for row in sent],
        spend=_days(await _sums(ctx, spend_caps.today(start))),
    )


def _series(samples: Sequence[BudgetSampleRow]) -> list[Series]:
    found: dict[str, Series] = {}
    for row in samples:
        name = row["name"]
        about = SAMPLED.get(name, "GitHub's limit of this name")
        one = found.setdefault(name, Series(name=name, about=about, points=[]))
        one.limit = row["limit_"]
        one.points.append(Point(at=stamp(row["at"]), n=row["n"]))
    return list(found.values())


async def _sums(ctx: Context, first_day: int) -> list[UsageSumRow]:
    """The sums of the days: of the installation, or of the repositories within reach."""
    keys = [SumKey("installation")]
    if not permissions.leads_everywhere(ctx.actor):
        reach = sorted(ctx.actor.repositories or ())[:MOST_REPOSITORIES]
        keys = [SumKey("repository", str(each)) for each in reach]
    return await usage.sums_of_days(ctx.tx, ctx.installation_id, keys, first_day)


def _days(rows: Sequence[UsageSumRow]) -> list[DaySpend]:
    """One entry for each day and currency, oldest first."""
    groups: dict[tuple[int, str], list[UsageSumRow]] = {}
    for row in rows:
        groups.setdefault((row["day"], row["currency"]), []).append(row)
    return [_day(*key, some) for key, some in sorted(groups.items())]


def _day(day: int, currency: str, rows: Sequence[UsageSumRow]) -> DaySpend:
    return DaySpend(
        day=stamp(day * DAY)[:10],
        cost=amount(sum(row["cost"] for row in rows)),
        currency=currency,
        input_tokens=sum(row["input_tokens"] for row in rows),
        output_tokens=sum(row["output_tokens"] for row in rows),
        reports=sum(row["reports"] for row in rows),
    )
