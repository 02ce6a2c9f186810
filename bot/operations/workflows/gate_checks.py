"""Keeps an undecided gate from being passed in another way than by an approval."""

from bot.errors import Refused
from bot.kernel import remedies
from bot.kernel.operation import Context
from bot.tasks import lookup
from bot.workflows.gates import gates, open_gates
from store.tasks import tasks
from store.tasks.tasks import FullTask


async def check_no_gate(ctx: Context, row: FullTask) -> None:
    """Raise Refused if the task is a gate that is not decided."""
    gate = await open_gates.of_task(ctx.tx, row)
    if gate is None:
        return
    how = remedies.by(
        ctx.actor, person="Comment `/approve` or `/reject`", agent="Call approve_task"
    )
    raise Refused(
        "awaits_approval",
        f"{lookup.name(row)} is a gate: it {gates.hold_reason(gate.gate)}, and nothing else ends "
        f"that. {how} if you may decide it. Nothing was changed.",
    )


async def check_no_gate_of_issue(ctx: Context, issue_id: int | None) -> None:
    """Raise Refused if the issue's task is a gate that is not decided."""
    task = await tasks.of_issue(ctx.tx, ctx.installation_id, issue_id) if issue_id else None
    if task is not None:
        await check_no_gate(ctx, task)


async def check_waits(ctx: Context, issue_id: int | None) -> None:
    """Raise Refused if an agent takes a gate out of the way of an issue that waits for it."""
    if not ctx.actor.is_person:
        await check_no_gate_of_issue(ctx, issue_id)
