"""Starts an agent run for an actor who may do so."""

from bot.kernel.operation import Context
from bot.operations.agents import run_access
from bot.operations.workflows import gate_checks, tool_checks
from bot.runs import spawning
from bot.runs.run_rows import RunRequest
from store.tables.mirror import RepositoryRow
from store.tables.runs import AgentRunRow
from store.tasks.tasks import FullTask


async def start(
    ctx: Context, where: RepositoryRow, task: FullTask | None, wanted: RunRequest
) -> AgentRunRow:
    """Start a run for the locked task, or for none. Raise Refused."""
    if task is not None:
        await run_access.check_is_free(ctx, task)
        await gate_checks.check_may_begin(ctx, task)
        await tool_checks.check_no_tool(ctx, task)
    await run_access.check_caps(ctx, where, task)
    return await spawning.spawn(ctx.tx, where, task, wanted)
