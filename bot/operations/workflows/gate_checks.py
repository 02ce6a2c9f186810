"""Keeps an undecided gate from being passed in another way than by an approval."""

from bot.errors import Refused
from bot.kernel import remedies
from bot.kernel.operation import Context
from bot.operations.workflows import tool_checks
from bot.tasks import lookup
from bot.tasks.eligibility import Reason
from bot.workflows.gates import awaited_gates, gates, open_gates
from bot.workflows.gates.awaited_gates import AwaitedGate
from store.mirror.relations import UNSEEN
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


async def check_may_begin(ctx: Context, row: FullTask) -> None:
    """Raise Refused if the task is an undecided gate, or a step that needs one."""
    await check_no_gate(ctx, row)
    awaited = await awaited_gates.of_task(ctx.tx, row)
    if awaited is None:
        return
    found = await _reason(ctx, awaited)
    raise Refused(
        found.code,
        f"{lookup.name(row)} cannot begin: {found.why}. What you can do: {found.remedy}. Nothing "
        "was changed.",
    )


async def reasons(ctx: Context, row: FullTask) -> list[Reason]:
    """What keeps everybody from claiming it: an undecided gate, or that a tool does it."""
    gate = await open_gates.of_task(ctx.tx, row)
    if gate is not None:
        found = await _reason(ctx, AwaitedGate(row, gate.step, gate.gate))
        why = f"it is a gate that {gates.hold_reason(gate.gate)}, and nobody works on it"
        return [found.model_copy(update={"why": why})]
    awaited = await awaited_gates.of_task(ctx.tx, row)
    by_tool = await tool_checks.reasons(ctx, row)
    return by_tool if awaited is None else [*by_tool, await _reason(ctx, awaited)]


async def _reason(ctx: Context, awaited: AwaitedGate) -> Reason:
    reach, task = ctx.actor.repositories, awaited.task
    is_visible = reach is None or task["repository_id"] in reach
    name = lookup.name(task) if is_visible else UNSEEN
    is_rejected = awaited.step["state"] == "failed"
    what = "was not passed" if is_rejected else gates.hold_reason(awaited.gate)
    why = f"it needs the gate {name}, which {what}"
    return Reason(code="awaits_approval", why=why, remedy=await _remedy(ctx, awaited, name))


async def _remedy(ctx: Context, awaited: AwaitedGate, name: str) -> str:
    """Who may decide the gate decides it. Others wait."""
    task, state = awaited.task, awaited.step["state"]
    if state == "waiting":
        return f"wait until the steps before {name} have ended and it is approved"
    opened = await open_gates.of_task(ctx.tx, task)
    if opened is None:  # it was rejected
        return remedies.by(
            ctx.actor,
            person=f"comment `/retry` on {name}, which asks for votes again",
            agent=f"ask a person to retry {name}, which asks for votes again",
        )
    who = await open_gates.voter(ctx.tx, ctx.actor, opened, task["repository_id"])
    if gates.refusal(awaited.gate, who) is not None:
        return f"wait until {gates.deciders(awaited.gate)} approved {name}"
    return remedies.by(
        ctx.actor,
        person=f"comment `/approve` or `/reject` on {name}",
        agent=f"call approve_task on {name}",
    )


async def check_state_of_issue(ctx: Context, issue_id: int, state: str | None) -> None:
    """Raise Refused if the issue is an undecided gate, or if `state` ends a step that needs one.

    A person may close such a step's issue as not planned, but for an agent this would let the steps
    behind it begin.
    """
    task = await tasks.of_issue(ctx.tx, ctx.installation_id, issue_id)
    if task is None:
        return
    await check_no_gate(ctx, task)
    if state not in (None, "open") and not (ctx.actor.is_person and state != "completed"):
        await check_may_begin(ctx, task)


async def check_waits(ctx: Context, issue_id: int | None) -> None:
    """Raise Refused if an agent takes a gate out of the way of an issue that waits for it.

    A step that needs the gate is in the way too, for those that need this step.
    """
    task = await tasks.of_issue(ctx.tx, ctx.installation_id, issue_id) if issue_id else None
    if task is not None and not ctx.actor.is_person:
        await check_may_begin(ctx, task)


async def check_circle(ctx: Context, issue_id: int | None) -> None:
    """Raise Refused if an agent lets something block a gate: in a circle, nothing waits for it."""
    task = await tasks.of_issue(ctx.tx, ctx.installation_id, issue_id) if issue_id else None
    if task is not None and not ctx.actor.is_person:
        await check_no_gate(ctx, task)
