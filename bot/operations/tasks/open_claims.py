"""How many tasks an agent may work on at once, so that it does not hoard what others could do."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.repository import repository_settings
from bot.tasks import lookup
from store.tasks import open_claims
from store.tasks.tasks import FullTask


async def check_room(ctx: Context, wanted: FullTask) -> None:
    """Raise Refused if the agent works on as many tasks as it may. A person may claim any."""
    if ctx.actor.is_person:
        return
    here = (ctx.tx, ctx.installation_id)
    settings = await repository_settings.of(*here, wanted["repository_id"])
    found = await open_claims.of_holder(*here, ctx.actor.name, settings.max_claims)
    if len(found) < settings.max_claims:
        return
    names = [lookup.name(each) for each in found]
    raise Refused(
        "too_many",
        f"You work on {', '.join(names[:10])}; the limit is {settings.max_claims} at once. "
        "Complete or release one, or report it as in_review.",
        most=settings.max_claims,
        tasks=names,
    )
