"""Starts an agent run for an actor who may do so."""

from typing import Any

from bot.kernel.operation import Context
from bot.operations.agents import run_access
from bot.runs import spawning
from bot.runs.spawning import Wanted
from store.tables.mirror import RepositoryRow
from store.tables.runs import AgentRunRow
from store.tasks.tasks import FullTask


async def start(
    ctx: Context, where: RepositoryRow, task: FullTask | None, template: str, *given: Any
) -> AgentRunRow:
    """Start a run for the locked task, or none. `given`: the rest of `Wanted`. Raise Refused."""
    if task is not None:
        await run_access.check_is_free(ctx, task)
    await run_access.check_caps(ctx, where, task)
    wanted = Wanted(template, ctx.actor.name, ctx.shared.caps.currency, *given)
    return await spawning.spawn(ctx.tx, where, task, wanted)
