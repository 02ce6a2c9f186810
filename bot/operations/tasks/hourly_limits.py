"""How often an agent may claim and release tasks within an hour."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.times import SECOND, span
from store.tasks import leases

HOUR = 3600 * SECOND
# What one agent may claim, and release, within an hour.
MOST_CLAIMS, MOST_RELEASES = 300, 60


def since(ctx: Context) -> int:
    """The beginning of the hour for which the limits count."""
    return ctx.now - HOUR


async def check_claims(ctx: Context) -> None:
    """Raise Refused if the agent claimed as many tasks as it may. A person may claim any."""
    if not ctx.actor.is_person:
        mine = (ctx.installation_id, ctx.actor.name, since(ctx))
        found = await leases.granted_since(ctx.tx, *mine)
        _check_rate(ctx, found, MOST_CLAIMS, "claimed")


async def check_releases(ctx: Context) -> None:
    """Raise Refused if the agent released as many tasks as it may. A person may release any."""
    if not ctx.actor.is_person:
        mine = (ctx.installation_id, ctx.actor.name, since(ctx))
        found = await leases.released_since(ctx.tx, *mine)
        _check_rate(ctx, found, MOST_RELEASES, "released")


def _check_rate(ctx: Context, found: leases.Rate, most: int, did: str) -> None:
    """Raise Refused if the agent did it as often within the last hour as it may."""
    if found["n"] < most:
        return
    wait = found["first_at"] + HOUR - ctx.now
    raise Refused(
        "rate_limited",
        f"{ctx.actor.name} {did} {most} tasks within an hour, which is the limit. Continue in "
        f"{span(wait)}.",
        retry_after_s=-(-wait // SECOND),
    )
