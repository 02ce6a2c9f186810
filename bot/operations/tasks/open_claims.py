"""How many tasks an agent may work on at once, so that it does not hoard what others could do."""

from bot.errors import Refused
from bot.kernel.operation import Context
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
    )
