"""What to change, as Hubbub sees it in what it recorded. For people."""

from typing import Annotated

from pydantic import Field

from bot.insights import report
from bot.insights.findings import Finding, Scope
from bot.kernel.operation import Answer, Context, operation
from bot.times import DAY, stamp
from store.mirror import stored_installations


class Insights(Answer):
    of_mirror = False

    since: str = Field(description="what happened after it counts")
    findings: list[Finding] = Field(description="those with most cases first")


@operation(reads_only=True)
async def get_insights(
    ctx: Context,
    days: Annotated[int, Field(ge=1, le=90, description="how far back to look")] = 7,
) -> Insights:
    """Find what to change: short leases, failing agents, slow reviews, refused writes and calls."""
    here = await stored_installations.installation(ctx.tx, ctx.installation_id)
    scope = Scope(
        ctx.tx,
        ctx.installation_id,
        here["account"] if here else str(ctx.installation_id),
        ctx.now - days * DAY,
        ctx.now,
        ctx.actor.repositories,
    )
    return Insights(since=stamp(scope.since), findings=await report.findings(scope))
