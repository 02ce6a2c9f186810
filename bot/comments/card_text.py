"""The sentences of the card: the one comment that shows people the state of a task."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.comments.replies import STATE_WORDS, block_quote, code, inline, lease_end
from bot.tasks.path_overlap import Overlap
from bot.tasks.verdicts import Said, Verdict, who
from store.messages.messages import CardMessage
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
    # Only the messages whose sender wants people to see them.
    messages: Sequence[CardMessage] = ()


# GitHub accepts 65,536 characters; the marker that Hubbub adds must fit too.
LONGEST_CARD = 60_000
LONGEST_PATH = 200


def text(task: FullTask, context: CardContext) -> str:
    """The card: Hubbub edits it in place."""
    lines = [f"**Hubbub** · {STATE_WORDS[task['state']]}", *_ownership(task)]
    if context.blockers:
        lines.append(f"Blocked by {', '.join(context.blockers[:10])}.")
    if context.total:
        lines.append(f"Sub-issues: {context.done} of {context.total} done.")
    if task["pull_number"]:
        reviewed = reviews(context.verdicts)
        lines.append(f"Pull request: #{task['pull_number']}.{reviewed and f' {reviewed}'}")
    if task["progress"]:
        lines.append(f"Progress: {task['progress']}%.")
    if task["loop_between"]:
        two = " and ".join(code(each) for each in task["loop_between"].split(" and "))
        lines.append(
            f"Hubbub stopped comments by {two} here, because they only answered each other. "
            "A comment by anybody else lets them continue."
        )
    if task["question"]:
        lines.append("The holder has a question, and waits for an answer in a comment here:")
        lines.append(block_quote(task["question"]))
    if task["note"]:
        lines.append(block_quote(task["note"]))
    lines += [_overlap(each) for each in context.overlaps]
    lines += [
        f"{code(each['sender'])} to {code(each['recipient'])}:\n\n{block_quote(each['body'])}"
        for each in context.messages
    ]
    return _within_limit(lines)


def reviews(found: Sequence[Verdict]) -> str:
    """One sentence: who approved the pull request, and who requested changes."""
    parts = [
        _deciders(found, "approved", "approved by"),
        _deciders(found, "changes_requested", "changes requested by"),
    ]
    sentence = "; ".join(each for each in parts if each)
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""


MOST_DECIDERS = 10


def _deciders(found: Sequence[Verdict], verdict: Said, words: str) -> str:
    deciders = [
        f"{code(each.by)}{' (before the last push)' if each.outdated else ''}"
        for each in who(found, verdict)[-MOST_DECIDERS:]
    ]
    return f"{words} {', '.join(deciders)}" if deciders else ""


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
        n = task["failures"]
        lines.append(f"{n} leases on it expired or failed. `/retry` gives it to agents again.")
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
