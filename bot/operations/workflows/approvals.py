"""Deciding what waits for an approval: a gate of a workflow, or a plan that an agent proposes."""

from typing import Annotated, Literal

from pydantic import Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context, Slash, TaskRef, operation
from bot.operations.arguments import Note
from bot.operations.github import clean_texts
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.status import close_issue
from bot.operations.workflows import plan_decisions
from bot.tasks import lifecycle, lookup
from bot.times import SECOND
from bot.workflows.gates import gates, open_gates
from bot.workflows.gates.open_gates import OpenGate
from store.tasks.tasks import FullTask
from store.workflows import plan_proposals

# How much earlier than the gate opened a vote may have been written: clocks differ.
CLOCKS_DIFFER = 5 * SECOND
LONGEST_REASON = 300


class Approved(Answer):
    task: str
    about: Literal["gate", "plan"]
    decision: Literal["approved", "rejected"] | None = Field(
        None, description="absent: more votes are needed", exclude_if=lambda which: which is None
    )
    approvals: int = Field(description="how many approved it so far")
    needed: int = Field(description="how many approvals it needs")
    workflow: str | None = Field(
        None, description="what the plan became", exclude_if=lambda which: which is None
    )
    cleaned: list[str] = Field(
        [],
        description="what was changed in the note",
        exclude_if=lambda cleaned: not cleaned,
    )


def _reply(answer: Approved) -> str | None:
    """A decision shows by the reaction and on the card. A vote alone needs words."""
    if answer.decision is not None:
        return None
    return f"Your vote counts: {answer.approvals} of {answer.needed} approvals."


APPROVE = Slash(
    "approve", "approve the gate or the plan here", ("note",), given={"approve": True}, reply=_reply
)
REJECT = Slash(
    "reject", "reject the gate or the plan here", ("note",), given={"approve": False}, reply=_reply
)


@operation(presence="at_work", slashes=(APPROVE, REJECT))
async def approve_task(
    ctx: Context,
    task: TaskRef,
    approve: Annotated[bool, Field(description="false: reject")] = True,  # noqa: FBT002 - callers name it
    note: Annotated[Note, Field(description="the reason")] = "",
) -> Approved:
    """Vote on the gate that a task is, or decide about the plan proposed for it."""
    row = await visible_task(ctx, task, lock=True)
    texts, cleaned = clean_texts.for_card({"note": note})
    note = texts["note"].strip()
    gate = await open_gates.of_task(ctx.tx, row)
    if gate is not None:
        answer = await _vote(ctx, row, gate, note, approve=approve)
    elif (plan := await plan_proposals.waiting(ctx.tx, ctx.installation_id, row["id"])) is not None:
        workflow = await plan_decisions.decide(ctx, row, plan, note, approve=approve)
        answer = Approved(
            task=lookup.name(row),
            about="plan",
            decision="approved" if approve else "rejected",
            approvals=int(approve),
            needed=1,
            workflow=workflow,
        )
    else:
        raise await _nothing_waits(ctx, row)
    return answer.model_copy(update={"cleaned": cleaned})


async def _vote(
    ctx: Context, row: FullTask, gate: OpenGate, note: str, *, approve: bool
) -> Approved:
    """Count the actor's vote, and act on what is decided by it. Raise Refused."""
    await _check_may_vote(ctx, row, gate)
    who = await open_gates.voter(ctx.tx, ctx.actor, gate, row["repository_id"])
    if why := gates.refusal(gate.gate, who):
        code = "own_work" if why == gates.MADE_IT else "forbidden"
        raise Refused(
            code,
            f"You cannot decide about {lookup.name(row)}, because {why}. It waits for the approval "
            f"of {gates.deciders(gate.gate)}. Nothing was changed.",
        )
    after = await open_gates.vote(ctx.tx, gate, who, note, approves=approve)
    votes = {"approvals": after.approvals, "needed": gate.gate.quorum}
    said = {"vote": "approved" if approve else "rejected", **votes}
    said |= {"note": note[:LONGEST_REASON]} if note else {}
    await lifecycle.record(ctx.tx, row, "task.voted", ctx.actor.name, **said)
    if after.decision is not None:
        await open_gates.forget_votes(ctx.tx, gate.step)
        await _end(ctx, row, note, passed=after.decision == "approved")
    return Approved(
        task=lookup.name(row), about="gate", decision=after.decision, cleaned=[], **votes
    )


async def _check_may_vote(ctx: Context, row: FullTask, gate: OpenGate) -> None:
    """Raise Refused before the gate can be decided, and for a command from before that."""
    name = lookup.name(row)
    opened_at = gate.step["opened_at"]
    if not gate.can_be_decided or opened_at is None:
        raise Refused(
            "awaits_approval",
            f"{name} cannot be decided yet: steps before it have not ended. Nothing was changed.",
        )
    if ctx.decided_at + CLOCKS_DIFFER < opened_at:
        raise Refused(
            "too_late",
            f"The command was written before {name} could be decided. Write it again if you still "
            "want it.",
        )


async def _end(ctx: Context, row: FullTask, note: str, *, passed: bool) -> None:
    """Complete the task of a gate that is passed, or fail that of a rejected one."""
    await lifecycle.move(
        ctx.tx, row, "completed" if passed else "failed", ctx.actor.name, note[:LONGEST_REASON]
    )
    if passed:
        await close_issue(ctx, row, "completed")


async def _nothing_waits(ctx: Context, row: FullTask) -> Refused:
    """What was decided before, or that there is nothing to decide."""
    name = lookup.name(row)
    last = await plan_proposals.newest(ctx.tx, ctx.installation_id, row["id"])
    before = f" Its last plan was {last['state']}" if last else ""
    by = f" by {last['decided_by']}." if last and last["decided_by"] else ("." if last else "")
    return Refused(
        "nothing_to_approve",
        f"Nothing at {name} waits for an approval: it is no open gate, and no plan is proposed for "
        f"it.{before}{by} Nothing was changed.",
    )
