"""The sentences of the card about the task's branch, its pull request and the checks."""

from collections.abc import Sequence

from bot.comments.card_context import CardContext, CardDetails
from bot.kernel.sentences import code
from bot.pulls.review_verdicts import ReviewState, Verdict, approvals, with_state
from bot.tasks.merge_readiness import Checks
from store.tasks.tasks import FullTask

# How many reviewers the card names for each verdict, and checks for each state.
MOST_DECIDERS = 10
MOST_CHECKS = 5


def pull(task: FullTask, context: CardContext) -> list[str]:
    """The pull request and who reviewed it."""
    if not task["pull_number"]:
        return []
    reviewed = _reviews(context.verdicts, context.approvals_needed)
    return [f"Pull request: #{task['pull_number']}.{reviewed and f' {reviewed}'}"]


def branch(task: FullTask) -> list[str]:
    return [f"Branch: {code(task['branch'])}."] if task["branch"] else []


def checks(details: CardDetails) -> list[str]:
    found = details.checks
    if found is None or not (found.passed or found.running or found.failed):
        return []
    parts = [_listing(found.failed, "failed"), _listing(found.running, "running")]
    parts += [f"{found.passed} passed"] if found.passed else []
    return [f"Checks: {'; '.join(each for each in parts if each)}."]


def _listing(names: Sequence[str], what: str) -> str:
    if not names:
        return ""
    more = f" and {len(names) - MOST_CHECKS} more" if len(names) > MOST_CHECKS else ""
    return f"{', '.join(code(each) for each in names[:MOST_CHECKS])}{more} {what}"


def has_failed(found: Checks | None) -> bool:
    return found is not None and bool(found.failed)


def _reviews(found: Sequence[Verdict], needed: int) -> str:
    """One sentence: who approved the pull request, and who requested changes."""
    given = approvals(found, needed)
    parts = [
        f"{given.agents} of {needed} agents approved" if needed and given.missing else "",
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
