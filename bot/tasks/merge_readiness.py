"""Whether a pull request can be merged: its reviews, checks and blockers. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from store.tables.builds import CheckRunRow
from store.tables.mirror import PullRequestRow, ReviewRow

Decision = Literal["approved", "changes_requested", "none"]
# The authors whose reviews count. GitHub counts those with write access.
COUNTS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
PASSED = frozenset({"success", "neutral", "skipped"})
DECIDES = ("approved", "changes_requested", "dismissed")


@dataclass(frozen=True)
class Checks:
    passed: int
    running: list[str]
    failed: list[str]


def decision(reviews: Sequence[ReviewRow]) -> Decision:
    """Each reviewer's last decision counts; a comment changes nothing. Reviews: oldest first."""
    last: dict[int, str] = {}
    for review in reviews:
        if review["state"] in DECIDES and review["author_association"] in COUNTS:
            last[review["author_id"]] = review["state"]
    decisions = set(last.values())
    if "changes_requested" in decisions:
        return "changes_requested"
    return "approved" if "approved" in decisions else "none"


def checks(runs: Sequence[CheckRunRow]) -> Checks:
    """The newest run of each name counts. Runs: oldest first."""
    newest = {(run["app"], run["name"]): run for run in runs}.values()
    running = sorted(run["name"] for run in newest if run["status"] != "completed")
    done = [run for run in newest if run["status"] == "completed"]
    failed = sorted(run["name"] for run in done if run["conclusion"] not in PASSED)
    return Checks(len(done) - len(failed), running, failed)


def waits_for(pull: PullRequestRow, decided: Decision, found: Checks, unresolved: int) -> list[str]:
    """What an open pull request still needs before its merge, according to the mirror."""
    if pull["state"] != "open":
        return []
    waits = []
    if pull["draft"]:
        waits.append("it is a draft")
    if decided == "changes_requested":
        waits.append("a reviewer asked for changes")
    if found.failed:
        waits.append(f"checks failed: {', '.join(found.failed[:10])}")
    if found.running:
        waits.append(f"checks are running: {', '.join(found.running[:10])}")
    if unresolved:
        waits.append(
            f"{unresolved} review thread{' is' if unresolved == 1 else 's are'} unresolved"
        )
    return waits
