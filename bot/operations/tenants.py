"""What the caller's account used, and what it may use. For people."""

from typing import Annotated

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context, operation
from bot.quotas.money import amount
from bot.tenants import in_use, own_settings, usage
from bot.tenants.usage import DayOfUse
from bot.times import stamp


class UsageOfDay(BaseModel):
    day: str = Field(description="in UTC, such as 2026-11-30")
    counts: dict[str, int] = Field(description="how often each thing happened")
    spend: dict[str, str] = Field(description="as agents report it, by currency")


class QuotaOfAccount(BaseModel):
    name: str
    of_agent: int | None = Field(description="the most of one agent; null: no limit")
    of_account: int | None = Field(description="the most of all agents together")
    in_use: int | None = Field(
        None, description="what the account has now; at most 10,000 agents and tasks are counted"
    )


class Usage(Answer):
    of_mirror = False

    name: str = Field(description="under which cards and pages show the account")
    color: str
    days: list[UsageOfDay] = Field(description="days without any use are left out")
    total: UsageOfDay
    quotas: list[QuotaOfAccount]
    spend_caps: dict[str, str] = Field(description="the caps on reported spend of a day")


@operation(reads_only=True)
async def get_usage(
    ctx: Context,
    days: Annotated[int, Field(ge=1, le=366, description="how far back to look")] = 31,
) -> Usage:
    """Show what the account used by day, its quotas and its caps on spend."""
    today = ctx.now // usage.DAY
    found = await usage.report(ctx.tx, ctx.installation_id, today - days + 1, today)
    look = await own_settings.look_of(ctx.tx, ctx.installation_id)
    held = await in_use.of(ctx.tx, ctx.installation_id)
    caps = {name: getattr(ctx.caps, name) for name in ("task", "agent", "installation")}
    return Usage(
        name=look.name,
        color=look.color,
        days=[_day(each) for each in found],
        total=_day(usage.total(found)),
        quotas=[
            QuotaOfAccount(
                name=name,
                of_agent=each.agent,
                of_account=each.installation,
                in_use=held.get(name),
            )
            for name, each in ctx.quotas.items()
        ],
        spend_caps={name: amount(most) for name, most in caps.items() if most is not None},
    )


def _day(each: DayOfUse) -> UsageOfDay:
    return UsageOfDay(
        day=stamp(each.day * usage.DAY)[:10],
        counts={name: each.counts.get(name, 0) for name in usage.NAMES},
        spend={name: amount(cost) for name, cost in sorted(each.spend.items())},
    )
