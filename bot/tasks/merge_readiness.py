"""Whether a pull request can be merged: its checks, and what it waits for. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from bot.pulls import failed_checks
from bot.pulls.review_verdicts import Verdict, approvals, with_state
from store.tables.builds import CheckRunRow

PASSED = frozenset({"success", "neutral", "skipped"})


class MergeablePull(TypedDict):
    """What decides about a merge of the pull request itself."""

    state: str
    draft: int


@dataclass(frozen=True)
class Checks:
    passed: int
    running: list[str]
    failed: list[str]

    def without_names(self) -> "Checks":
        """For readers who may not see what the author of the pull request named its checks."""
        return Checks(
            self.passed, ["[withheld]"] * len(self.running), ["[withheld]"] * len(self.failed)
        )


def logs(runs: Sequence[CheckRunRow]) -> dict[str, str]:
    """Where the logs of the failed checks are, by their names. Runs: oldest first."""
    return {run["name"]: run["url"] for run in failed_checks.failed_runs(runs) if run["url"]}


def checks(runs: Sequence[CheckRunRow]) -> Checks:
    """The newest run of each name counts. Runs: oldest first."""
    newest = {(run["app"], run["name"]): run for run in runs}.values()
    running = sorted(run["name"] for run in newest if run["status"] != "completed")
    done = [run for run in newest if run["status"] == "completed"]
    failed = sorted(run["name"] for run in done if run["conclusion"] not in PASSED)
    return Checks(len(done) - len(failed), running, failed)


def waits_for(
    pull: MergeablePull,
    said: Sequence[Verdict],
    found: Checks,
    unresolved: int,
    approvals_needed: int = 0,
) -> list[str]:
    """What an open pull request still needs before its merge, according to the mirror."""
    if pull["state"] != "open":
        return []
    waits = []
    if pull["draft"]:
        waits.append("it is a draft")
    if asked := with_state(said, "changes_requested"):
        waits.append(f"changes were requested by {', '.join(each.by for each in asked[:5])}")
    given = approvals(said, approvals_needed)
    if approvals_needed and given.missing:
        waits.append(f"{given.agents} of {given.needed} agents approved its head")
    if found.failed:
        waits.append(f"checks failed: {', '.join(found.failed[:10])}")
    if found.running:
        waits.append(f"checks are running: {', '.join(found.running[:10])}")
    if unresolved:
        waits.append(
            f"{unresolved} review thread{' is' if unresolved == 1 else 's are'} unresolved"
        )
    return waits
