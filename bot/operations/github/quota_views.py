"""What the caller's quotas are, and how much of each is used."""

from pydantic import BaseModel, Field

from bot.kernel.operation import Context
from bot.quotas.table import Quota
from bot.times import SECOND, stamp
from store.files import usage
from store.messages import messages
from store.outbox import writes
from store.tasks import leases, open_claims


class QuotaUse(BaseModel):
    name: str
    used: int
    most: int
    resets_at: str | None = Field(
        None, description="when all of it is free again", exclude_if=lambda at: at is None
    )
    installation_used: int | None = Field(
        None, description="by all agents", exclude_if=lambda used: used is None
    )
    installation_most: int | None = Field(None, exclude_if=lambda most: most is None)


async def quota_uses(ctx: Context) -> list[QuotaUse]:
    """The quotas of an agent; people have none."""
    if ctx.actor.is_person:
        return []
    found = []
    for name, quota in ctx.quotas.items():
        if quota.agent is not None:
            used, resets_at = await _use_of(ctx, name, quota)
            found.append(_view(ctx, name, quota.agent, used, resets_at))
    return found


def _view(ctx: Context, name: str, most: int, used: int, resets_at: int | None) -> QuotaUse:
    rates, everybody = ctx.shared.rates, {}
    here = rates.most_here(ctx.installation_id, name)
    if name in IN_MEMORY and here is not None and ctx.actor.repositories is None:
        of_all, _ = rates.level(ctx.installation_id, name)
        everybody = {"installation_used": of_all, "installation_most": here}
    at = stamp(resets_at) if resets_at is not None and resets_at > ctx.now else None
    return QuotaUse(name=name, used=used, most=most, resets_at=at, **everybody)


IN_MEMORY = ("calls_a_minute", "bytes_a_day", "messages_a_minute")


async def _use_of(  # noqa: PLR0911 - one for each quota
    ctx: Context, name: str, quota: Quota
) -> tuple[int, int | None]:
    """How much the agent used, and when all of it is free again."""
    here = (ctx.tx, ctx.installation_id, ctx.actor.name)
    period = (quota.per_s or 0) * SECOND
    since = ctx.now - period
    match name:
        case "messages_a_minute" | "messages_an_hour":
            n, last = await messages.sent_since(*here, since)
            return n, last + period
        case "claims_an_hour":
            return (await leases.granted_since(*here, since))["n"], None
        case "releases_an_hour":
            return (await leases.released_since(*here, since))["n"], None
        case "queued_writes":
            return await writes.count_of(*here), None
        case "file_bytes":
            return (await usage.of(*here))["size"], None
        case "open_claims":
            return len(await open_claims.of_holder(*here, quota.agent or 0)), None
        case _:
            used, free_s = ctx.shared.rates.level(ctx.actor.key, name)
            return used, ctx.now + int(free_s * SECOND)
