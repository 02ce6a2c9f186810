"""What is to be known of a pull request before it is merged: pure, of mirrored rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from store.tables.builds import CheckRunRow
from store.tables.mirror import PullRequestRow, ReviewRow

Decision = Literal["approved", "changes_requested", "none"]
# Whose reviews count: GitHub counts those of people with write access.
COUNTS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
PASSED = frozenset({"success", "neutral", "skipped"})
DECIDES = ("approved", "changes_requested", "dismissed")


@dataclass(frozen=True)
class Checks:
    passed: int
    running: list[str]
    failed: list[str]


def decision(reviews: Sequence[ReviewRow]) -> Decision:
    """Each reviewer's last word counts; a comment takes nothing back. Reviews oldest first."""
    last: dict[int, str] = {}
    for review in reviews:
        if review["state"] in DECIDES and review["author_association"] in COUNTS:
            last[review["author_id"]] = review["state"]
    words = set(last.values())
    if "changes_requested" in words:
        return "changes_requested"
    return "approved" if "approved" in words else "none"


def checks(runs: Sequence[CheckRunRow]) -> Checks:
    """The newest run of each name counts. Runs oldest first."""
    newest = {(run["app"], run["name"]): run for run in runs}.values()
    running = sorted(run["name"] for run in newest if run["status"] != "completed")
    done = [run for run in newest if run["status"] == "completed"]
    failed = sorted(run["name"] for run in done if run["conclusion"] not in PASSED)
    return Checks(len(done) - len(failed), running, failed)


def waits_for(pull: PullRequestRow, decided: Decision, found: Checks, unresolved: int) -> list[str]:
    """What stands between an open pull request and its merge, as far as the mirror knows."""
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
        waits.append(f"{unresolved} review threads are unresolved")
    return waits
