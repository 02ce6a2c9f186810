"""How many agents and open tasks an account may have. The operator sets it; nobody has a default.

People are not refused: an issue that a person labels becomes a task although the limit is reached.
"""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.quotas import table
from store.tenants import holdings


async def check_agents(ctx: Context, agent_id: str) -> None:
    """Raise Refused if this agent would be one too many."""
    most = ctx.quotas["agents"].installation
    if most is None:
        return
    used = await holdings.agents_beside(ctx.tx, ctx.installation_id, agent_id, most)
    if used >= most:
        raise _refusal("agents", most, used)


async def check_tasks(ctx: Context, more: int = 1) -> None:
    """Raise Refused if so many more open tasks are too many."""
    most = ctx.quotas["open_tasks"].installation
    if most is None or ctx.actor.is_person:
        return
    used = await holdings.open_tasks(ctx.tx, ctx.installation_id, most)
    if used + more > most:
        raise _refusal("open_tasks", most, used)


def _refusal(name: str, most: int, used: int) -> Refused:
    return table.refusal(name, whose="installation", who="", most=most, used=used, wait_s=None)
