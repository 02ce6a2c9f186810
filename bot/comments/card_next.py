"""The one sentence of the card that says what happens next."""

from collections.abc import Callable
from typing import TypeAlias

from bot.comments import card_workflow
from bot.comments.card_context import CardContext, CardDetails
from bot.comments.card_pulls import has_failed
from bot.kernel.sentences import code
from bot.pulls import review_verdicts
from bot.tasks.states import OPEN
from store.tasks.tasks import FullTask

Case: TypeAlias = Callable[[FullTask, CardContext, CardDetails], bool]
Words: TypeAlias = Callable[[FullTask], str]


def _holder(task: FullTask) -> str:
    """In a review nobody holds the task once the run of its agent has ended."""
    return code(task["holder"]) if task["holder"] else "somebody"


def _pull(task: FullTask) -> str:
    return f"#{task['pull_number']}"


def _asks_for_changes(_task: FullTask, context: CardContext, _details: CardDetails) -> bool:
    return review_verdicts.decision(context.verdicts) == "changes_requested"


def _is_approved(_task: FullTask, context: CardContext, _details: CardDetails) -> bool:
    return review_verdicts.decision(context.verdicts, context.approvals_needed) == "approved"


DECIDES = "those whom it names approve or reject it."
# The first case that holds gives the sentence.
CASES: tuple[tuple[Case, Words], ...] = (
    (lambda t, *_: t["state"] not in OPEN, lambda _: "nothing. `/retry` opens the task again."),
    (lambda _t, c, _d: c.gate is not None and c.gate.can_be_decided, lambda _: DECIDES),
    (lambda _t, c, _d: c.gate is not None, lambda _: "the steps before it end."),
    (
        lambda t, c, _: card_workflow.is_done_by_tool(t, c.workflow),
        lambda _: "Hubbub calls the tool once the steps before it have ended.",
    ),
    (lambda t, *_: bool(t["held"]), lambda _: "nothing, until somebody ends the hold."),
    (
        lambda t, *_: bool(t["question"]),
        lambda t: f"somebody answers in a comment, and {_holder(t)} continues.",
    ),
    (
        lambda _t, c, _d: c.plan is not None,
        lambda t: f"somebody approves or rejects the plan of {_holder(t)}.",
    ),
    (
        lambda t, c, _: bool(c.blockers) and not t["holder"],
        lambda _: "the issues that block it are closed. Then an agent can claim it.",
    ),
    (
        lambda t, c, _: c.run is not None and c.run.is_live and not t["holder"],
        lambda _: "the run starts and claims it.",
    ),
    (
        lambda t, *_: t["state"] == "assigned",
        lambda t: f"{code(t['assigned_to'] or '')} claims it.",
    ),
    (lambda t, *_: t["state"] == "pending", lambda _: "the next agent that fits claims it."),
    (
        lambda t, c, d: bool(t["pull_number"]) and _asks_for_changes(t, c, d),
        lambda t: f"{_holder(t)} makes the requested changes in {_pull(t)}.",
    ),
    (
        lambda t, _, d: bool(t["pull_number"]) and has_failed(d.checks),
        lambda t: f"{_holder(t)} looks at the failed checks of {_pull(t)}.",
    ),
    (
        lambda t, _, d: bool(t["pull_number"]) and d.is_draft,
        lambda t: f"{_holder(t)} finishes the draft {_pull(t)}.",
    ),
    (
        lambda t, c, d: bool(t["pull_number"]) and _is_approved(t, c, d),
        lambda t: f"somebody merges {_pull(t)}, which completes the task.",
    ),
    (
        lambda t, *_: bool(t["pull_number"]),
        lambda t: f"somebody reviews {_pull(t)}. Its merge completes the task.",
    ),
    (
        lambda t, *_: t["state"] == "in_review",
        lambda t: f"somebody reviews what {code(t['holder'] or t['last_holder'] or '')} reported.",
    ),
    (lambda *_: True, lambda t: f"{_holder(t)} works on it and opens a pull request."),
)


def next_step(task: FullTask, context: CardContext, details: CardDetails) -> str:
    """What happens next, without a capital at its start."""
    workflow = context.workflow
    if not task["held"] and card_workflow.is_waiting_parent(task, workflow) and workflow:
        return card_workflow.next_step(workflow)
    words = next(words for holds, words in CASES if holds(task, context, details))
    return words(task)
