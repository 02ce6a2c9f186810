"""The sentences of the card: the one comment that shows people the state of a task."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from bot.comments.replies import STATE_WORDS, block_quote, code, inline, lease_end
from bot.quotas.money import with_currency
from bot.tasks import task_decisions
from bot.tasks.path_overlap import Overlap
from bot.tasks.spend_caps import PERCENT
from bot.tasks.states import OPEN
from bot.tasks.verdicts import ReviewState, Verdict, with_state
from bot.times import minute
from store.messages.messages import CardMessage
from store.tables.usage import DRAIN, STOP, WARN, SpendHoldRow, UsageSumRow
from store.tasks.tasks import FullTask


@dataclass(frozen=True)
class CardContext:
    """What a card shows that is not in the task's own row."""

    blockers: Sequence[str] = ()
    done: int = 0
    total: int = 0
    overlaps: Sequence[Overlap] = ()
    # Of the task's open pull request.
    verdicts: Sequence[Verdict] = ()
    # Only those whose sender wants people to see them; of an ended task, those since its end.
    messages: Sequence[CardMessage] = ()
    # Who held an ended task last.
    last_holder: str | None = None
    merged: bool = False
    # What agents reported for the task, one row for each currency.
    spend: Sequence[UsageSumRow] = ()
    # The caps that are near or reached, of the task and of its holder.
    caps: Sequence[SpendHoldRow] = ()


# GitHub accepts 65,536 characters; the marker that Hubbub adds must fit too.
LONGEST_CARD = 60_000
LONGEST_PATH = 200
# How many reviewers the card names for each verdict.
MOST_DECIDERS = 10


def text(task: FullTask, context: CardContext, as_of: int) -> str:
    """The card: Hubbub edits it in place."""
    lines = [*_what_people_act_on(task, context), *_what_changes_often(task, context)]
    return _within_limit([*lines, f"<sub>As of {minute(as_of)}.</sub>"])


def digest(task: FullTask, context: CardContext) -> str:
    """A short hash of what people act on. Hubbub edits the card at once only when it changed."""
    lines = _what_people_act_on({**task, "expires_at": None}, context)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _what_people_act_on(task: FullTask, context: CardContext) -> list[str]:
    head = f"**Hubbub** · {STATE_WORDS[task['state']]}"
    if task["state"] not in OPEN:
        return [head, *_result(task, context)]
    lines = [head, *_ownership(task)]
    if context.blockers:
        lines.append(f"Blocked by {', '.join(context.blockers[:10])}.")
    if task["pull_number"]:
        reviewed = _reviews(context.verdicts)
        lines.append(f"Pull request: #{task['pull_number']}.{reviewed and f' {reviewed}'}")
    if task["loop_between"]:
        two = " and ".join(code(each) for each in task["loop_between"].split(" and "))
        lines.append(
            f"Hubbub stopped comments by {two} here, because they only answered each other. "
            "A comment by anybody else lets them continue."
        )
    if task["question"]:
        lines.append("The holder has a question, and waits for an answer in a comment here:")
        lines.append(block_quote(task["question"]))
    return [*lines, *map(_cap, context.caps), *_messages(context)]


def _cap(hold: SpendHoldRow) -> str:
    """With an amount only for this task: other caps are not for everybody who reads it."""
    whose, percent = WHOSE_CAP[hold["scope"]], PERCENT[hold["level"]]
    of = f" of {with_currency(hold['cap'], hold['currency'])}" if hold["scope"] == "task" else ""
    effect = CAP_EFFECT[hold["level"]]
    return f"The reported spend {whose} reached {percent} % of its cap{of}. {effect}"


WHOSE_CAP = {
    "task": "on this task",
    "agent": "of its holder today",
    "repository": "on this repository's tasks today",
    "installation": "of all agents today",
}
CAP_EFFECT = {
    WARN: "At the cap agents can claim no more.",
    DRAIN: "Agents can claim no more until the cap is raised.",
    STOP: "Agents can claim no more, and their writes wait, until the cap is raised.",
}


def _spend(context: CardContext) -> list[str]:
    """What agents reported, which Hubbub cannot check."""
    return [
        f"Reported spend: {with_currency(each['cost'], each['currency'])}, "
        f"{each['input_tokens'] + each['output_tokens'] + each['cached_tokens']:,} tokens. "
        "Agents report it; Hubbub cannot check it."
        for each in context.spend
    ]


def _messages(context: CardContext) -> list[str]:
    return [
        f"{code(each['sender'])} to {code(each['recipient'])}:\n\n{block_quote(each['body'])}"
        for each in context.messages
    ]


def _what_changes_often(task: FullTask, context: CardContext) -> list[str]:
    """What the holder of now reported, and what others do beside it."""
    if task["state"] not in OPEN:
        return []
    lines = []
    if context.total:
        lines.append(f"Sub-issues: {context.done} of {context.total} done.")
    if is_current_report(task):
        lines += [f"Progress: {task['progress']}%."] if task["progress"] else []
        lines += [block_quote(task["note"])] if task["note"] else []
    return lines + _spend(context) + [_overlap(each) for each in context.overlaps]


def is_current_report(task: FullTask) -> bool:
    """Whether the holder of now reported note and progress, not somebody before."""
    return task["lease_id"] is not None and task["reported_under"] == task["lease_id"]


def _result(task: FullTask, context: CardContext) -> list[str]:
    """How a task ended: by whom, with which pull request, when."""
    lines = _ending(task, context)
    if task["pull_number"]:
        how = ", merged" if context.merged else ""
        lines.append(f"Pull request: #{task['pull_number']}{how}.")
    if task["state"] == "failed":
        lines += [_failures_line(task)] if task["stuck_at"] else []
        lines += [block_quote(task["note"])] if task["note"] else []
    if task["result"]:
        lines.append(block_quote(task["result"]))
    return [*lines, *_spend(context), *_messages(context)]


def _ending(task: FullTask, context: CardContext) -> list[str]:
    """Who ended the task, when and why, and who held it last if that is another."""
    end = task_decisions.ending(task)
    who = end.by if end else context.last_holder
    by = f" by {code(who)}" if who else ""
    when = f" on {minute(task['ended_at'])}" if task["ended_at"] else ""
    why = f": {inline(end.why)}" if end and end.why else ""
    lines = [f"{task['state'].capitalize()}{by}{when}{why}."]
    if context.last_holder not in (None, who):
        lines.append(f"{code(context.last_holder or '')} held it last.")
    return lines


def _reviews(found: Sequence[Verdict]) -> str:
    """One sentence: who approved the pull request, and who requested changes."""
    parts = [
        _deciders(found, "approved", "approved by"),
        _deciders(found, "changes_requested", "changes requested by"),
    ]
    sentence = "; ".join(each for each in parts if each)
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""


def _deciders(found: Sequence[Verdict], verdict: ReviewState, words: str) -> str:
    deciders = [
        f"{code(each.by)}{' (before the last push)' if each.outdated else ''}"
        for each in with_state(found, verdict)[-MOST_DECIDERS:]
    ]
    return f"{words} {', '.join(deciders)}" if deciders else ""


def _failures_line(task: FullTask) -> str:
    n = task["failures"]
    return f"{n} leases on it expired or failed. `/retry` gives it to agents again."


def _within_limit(lines: list[str]) -> str:
    """The lines as one comment. A line that would make it too long for GitHub is left out."""
    kept: list[str] = []
    for each in lines:
        if sum(map(len, kept)) + 2 * len(kept) + len(each) <= LONGEST_CARD:
            kept.append(each)
    return "\n\n".join(kept)


def _ownership(task: FullTask) -> list[str]:
    """Who put the task on hold, who has claimed it, and for whom it is reserved."""
    lines = []
    if task["held"]:
        why = f": {inline(task['held_why'])}" if task["held_why"] else ""
        by = code(task["held_by"] or "somebody")
        lines.append(f"**On hold** by {by}{why}. `/resume` ends the hold.")
    if task["holder"]:
        lines.append(f"Claimed by {code(task['holder'])}.{lease_end(task['expires_at'])}")
    elif task["assigned_to"]:
        lines.append(f"Reserved for {code(task['assigned_to'])}.")
    elif task["state"] == "pending" and not task["held"]:
        lines.append("Any agent can claim this task. `/claim` claims it for you.")
    if task["stuck_at"] and not task["held"]:
        lines.append(_failures_line(task))
    if task["decision"] and not task["holder"]:
        lines.append(f"Last decision: {inline(task['decision'])}.")
    return lines


def _overlap(found: Overlap) -> str:
    if found.task is None:
        other = f"Pull request #{found.pull_request}"
    else:
        other = f"{code(found.holder or '')} on #{found.task.rpartition('#')[2]}"
    paths = ", ".join(code(each[:LONGEST_PATH]) for each in found.paths)
    return f"{other} touches the same paths: {paths}."
