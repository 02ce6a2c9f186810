"""How often an agent may claim and release tasks within an hour."""

import sys

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.times import SECOND, span
from store.tasks import leases

HOUR = 3600 * SECOND


def since(ctx: Context) -> int:
    """The beginning of the hour for which the limits count."""
    return ctx.now - HOUR


async def check_claims(ctx: Context) -> None:
    """Raise Refused if the agent claimed as many tasks as it may. A person may claim any."""
    if not ctx.actor.is_person:
        mine = (ctx.installation_id, ctx.actor.name, since(ctx))
        found = await leases.granted_since(ctx.tx, *mine)
        _check_rate(ctx, found, "claims_an_hour", "claimed")


async def check_releases(ctx: Context) -> None:
    """Raise Refused if the agent released as many tasks as it may. A person may release any."""
    if not ctx.actor.is_person:
        mine = (ctx.installation_id, ctx.actor.name, since(ctx))
        found = await leases.released_since(ctx.tx, *mine)
        _check_rate(ctx, found, "releases_an_hour", "released")


def most(ctx: Context, quota: str) -> int:
    """How often an agent may do it within an hour."""
    return ctx.quotas[quota].agent or sys.maxsize


def _check_rate(ctx: Context, found: leases.Rate, quota: str, did: str) -> None:
    """Raise Refused if the agent did it as often within the last hour as it may."""
    limit = most(ctx, quota)
    if found["n"] < limit:
        return
    wait = found["first_at"] + HOUR - ctx.now
    raise Refused(
        "rate_limited",
        f"{ctx.actor.name} {did} {limit} tasks within an hour, which is the limit. Continue in "
        f"{span(wait)}.",
        retry_after_s=-(-wait // SECOND),
        quota=quota,
        of="agent",
        most=limit,
        used=found["n"],
    )
