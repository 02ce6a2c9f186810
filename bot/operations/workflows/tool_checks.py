"""Keeps everybody from working on a step that Hubbub does by a tool."""

from bot.errors import Refused
from bot.identity.actors import BOT
from bot.kernel import remedies
from bot.kernel.operation import Context
from bot.kernel.sentences import code
from bot.tasks import lookup
from bot.tasks.eligibility import Reason
from bot.tasks.states import OPEN
from store.tasks.tasks import FullTask
from store.workflows import steps


async def reasons(ctx: Context, row: FullTask) -> list[Reason]:
    """Why nobody can claim the task, if it is such a step and has not ended."""
    tool = await _tool_of(ctx, row)
    if tool is None:
        return []
    remedy = remedies.by(
        ctx.actor,
        person="wait for it; `/done` and `/cancel` end the step without the call",
        agent="wait for it, or take another task",
    )
    why = f"Hubbub does this step itself by the tool {code(tool)}, and nobody works on it"
    return [Reason(code="done_by_tool", why=why, remedy=remedy)]


async def check_no_tool(ctx: Context, row: FullTask) -> None:
    """Raise Refused if the task is such a step, so that nobody gets it."""
    for each in await reasons(ctx, row):
        raise Refused(
            each.code,
            f"{lookup.name(row)}: {each.why}. What you can do: {each.remedy}. Nothing was changed.",
        )


async def check_change(
    ctx: Context, row: FullTask, *, hold: bool | None, state: str | None
) -> None:
    """Raise Refused for a change that would give the step to somebody, or end Hubbub's own hold.

    People may hold it, and then end their hold; they may complete and cancel it.
    """
    ends_our_hold = hold is False and row["held_by"] == BOT
    goes_on = state in ("in_progress", "in_review")
    by_agent = state in ("completed", "cancelled") and not ctx.actor.is_person
    if ends_our_hold or goes_on or by_agent:
        await check_no_tool(ctx, row)


async def _tool_of(ctx: Context, row: FullTask) -> str | None:
    if row["state"] not in OPEN:
        return None
    step = await steps.of_task(ctx.tx, ctx.installation_id, row["id"])
    if step is None or step["state"] not in ("waiting", "open"):
        return None
    tool: str | None = step["definition"].get("tool")
    return tool
