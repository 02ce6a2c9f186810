"""How many tasks an agent may work on at once, so that it does not hoard what others could do."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.quotas import table
from bot.tasks import lookup
from store.tasks import open_claims


async def check_room(ctx: Context, most: int) -> None:
    """Raise Refused if the agent works on `most` tasks already."""
    found = await open_claims.of_holder(ctx.tx, ctx.installation_id, ctx.actor.name, most)
    if len(found) < most:
        return
    names = [lookup.name(each) for each in found]
    raise Refused(
        "too_many",
        f"You work on {', '.join(names[:10])}; the limit is {most} at once. "
        "Complete or release one, or report it as in_review.",
        most=most,
        tasks=names,
        quota="open_claims",
        of="agent",
        used=len(names),
    )


def most(ctx: Context, max_claims: int) -> int:
    """The lower one of the repository's limit and the server's."""
    return min(max_claims, ctx.quotas["open_claims"].agent or max_claims)


async def check_installation(ctx: Context) -> None:
    """Raise Refused if agents work on as many tasks as the server allows.

    By default it allows any number, and a claim pays nothing for this.
    """
    limit = ctx.quotas["open_claims"].installation
    if limit is None:
        return
    n = await open_claims.of_installation(ctx.tx, ctx.installation_id, limit)
    if n >= limit:
        raise table.refusal(
            "open_claims", whose="installation", who="", most=limit, used=n, wait_s=None
        )
