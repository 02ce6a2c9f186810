"""The card: the one comment that shows people the state of a task. How its parts stand together.

The order is for a phone: who must do what comes first, what can wait is folded.
"""

import hashlib
from collections.abc import Sequence

from bot.comments import (
    card_boxes,
    card_gate,
    card_history,
    card_parts,
    card_plan,
    card_plugins,
    card_pulls,
    card_runs,
    card_workflow,
)
from bot.comments.card_context import CardContext, CardDetails
from bot.comments.card_next import next_step
from bot.comments.replies import STATE_WORDS, block_quote
from bot.tasks.states import OPEN
from bot.times import minute
from store.tables.tasks import LeaseRow
from store.tasks.tasks import FullTask

# GitHub accepts 65,536 characters; the marker that Hubbub adds must fit too.
LONGEST_CARD = 60_000


def text(task: FullTask, context: CardContext, details: CardDetails, as_of: int) -> str:
    """The card: Hubbub edits it in place."""
    is_open = task["state"] in OPEN
    parts = [
        _head(task, context),
        *card_parts.attention(task, context, details.asked),
        *card_plan.lines(context.plan),
        *card_workflow.lines(context.workflow),
        *(_open_task if is_open else _ended_task)(task, context, details),
        *card_parts.outcomes(details.outcomes),
        card_plugins.lines(details.plugins),
        card_boxes.lines(details.boxes),
        *card_parts.messages(context),
        card_history.lines(details.history),
        f"<sub>As of {minute(as_of)}.</sub>",
    ]
    return _within_limit([each for each in parts if each])


def digest(task: FullTask, context: CardContext) -> str:
    """A short hash of what people act on. Hubbub edits the card at once only when it changed."""
    lines = [
        _head(task, context),
        *card_parts.attention(task, context),
        *card_parts.messages(context),
    ]
    if task["state"] in OPEN:
        lines += [*_ownership(task, context), *card_parts.blockers(context)]
        lines += card_pulls.pull(task, context)
    else:
        lines += card_parts.result(task, context)
    lines += card_runs.phase(context.run) + card_plan.digest(context.plan)
    lines += card_workflow.digest(context.workflow)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _head(task: FullTask, context: CardContext) -> str:
    """The state in a few words. Nobody claims a gate, or the parent of a workflow's steps."""
    words = STATE_WORDS[task["state"]]
    if context.gate is not None:
        words = card_gate.head(task, context.gate)
    elif card_workflow.is_done_by_tool(task, context.workflow):
        words = "a tool does this step"
    elif card_workflow.is_waiting_parent(task, context.workflow):
        words = card_workflow.head(context.workflow)
    return f"**{context.brand}** · {words}"


def _ownership(
    task: FullTask, context: CardContext, lease: LeaseRow | None = None
) -> Sequence[str]:
    if card_workflow.is_waiting_parent(task, context.workflow):
        return []
    return card_parts.ownership(task, lease)


def _open_task(task: FullTask, context: CardContext, details: CardDetails) -> list[str]:
    reports = card_parts.is_current_report(task)
    facts = [
        *card_parts.blockers(context),
        *card_pulls.pull(task, context),
        *card_pulls.checks(details),
        *card_pulls.branch(task),
        *card_runs.lines(context.run),
        *card_parts.progress(task, context),
        *card_parts.spend(context),
        *card_parts.overlaps(context),
        *card_parts.files(context),
    ]
    return [
        *_ownership(task, context, details.lease),
        f"**Next:** {next_step(task, context, details)}",
        "\n".join(f"- {each}" for each in facts),
        *([block_quote(task["note"])] if reports and task["note"] else []),
    ]


def _ended_task(task: FullTask, context: CardContext, details: CardDetails) -> list[str]:
    return [
        *card_parts.result(task, context),
        *card_runs.lines(context.run),
        *card_parts.spend(context),
        *card_parts.files(context),
        f"**Next:** {next_step(task, context, details)}",
    ]


def _within_limit(parts: list[str]) -> str:
    """The parts as one comment. A part that would make it too long for GitHub is left out."""
    kept: list[str] = []
    for each in parts:
        if sum(map(len, kept)) + 2 * len(kept) + len(each) <= LONGEST_CARD:
            kept.append(each)
    return "\n\n".join(kept)
