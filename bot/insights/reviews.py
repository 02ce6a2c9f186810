"""How long tasks wait for their review, and for whose."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bot.insights.findings import FEWEST, Finding, Scope, first_few, length, median
from bot.times import SECOND
from store import history
from store.history import Review
from store.tasks import tasks
from store.tasks.tasks import FullTask

# Half of the reviews took longer: worth a look.
SLOW_S = 4 * 3600
ASK = "`hubbub call github_update_pr pull_request=… reviewers=…`"
REGISTER = "register an agent with the role tester that reviews"


@dataclass(frozen=True)
class Wait:
    """A task in review. `reviewer`: who reviewed it first, or None if nobody has yet."""

    task: str
    seconds: int
    reviewer: str | None


async def find(scope: Scope) -> list[Finding]:
    here = (scope.tx, scope.installation_id)
    began = await history.events_of(*here, scope.since, "task.in_review")
    # Of several reviews of a task, the newest.
    at = {each["subject"]: each["at"] for each in reversed(began)}
    rows = await tasks.several(*here, set(at), scope.repositories)
    reviews = await history.reviews(*here, scope.since, scope.repositories)
    waits = [_wait(row, at[row["id"]], reviews, scope.now) for row in rows if row["pull_number"]]
    return findings([each for each in waits if each is not None])


def _wait(row: FullTask, at: int, reviews: Sequence[Review], now: int) -> Wait | None:
    place = (row["repository_id"], row["pull_number"])
    name = f"{row['full_name']}#{row['number']}"
    for each in reviews:
        if (each["repository_id"], each["number"]) == place and each["at"] >= at:
            return Wait(name, (each["at"] - at) // SECOND, each["reviewer"])
    return Wait(name, (now - at) // SECOND, None) if row["state"] == "in_review" else None


def findings(waits: Sequence[Wait]) -> list[Finding]:
    by_reviewer = defaultdict[str, list[Wait]](list)
    for each in waits:
        if each.reviewer:
            by_reviewer[each.reviewer].append(each)
    slow = [
        _slow(reviewer, of)
        for reviewer, of in by_reviewer.items()
        if len(of) >= FEWEST and median([each.seconds for each in of]) > SLOW_S
    ]
    open_ones = [each for each in waits if each.reviewer is None and each.seconds > SLOW_S]
    return [*slow, *([_open(open_ones)] if len(open_ones) >= FEWEST else [])]


def _slow(reviewer: str, waits: Sequence[Wait]) -> Finding:
    seconds = [each.seconds for each in waits]
    return Finding(
        kind="slow_reviewer",
        finding=f"Half of the reviews by {reviewer} took more than {length(median(seconds))}.",
        cases=len(waits),
        evidence=[f"{len(waits)} first reviews; the slowest came after {length(max(seconds))}"],
        look_at=first_few([each.task for each in waits]),
        change=f"Ask somebody else too: {ASK}; or {REGISTER}.",
    )


def _open(waits: Sequence[Wait]) -> Finding:
    seconds = [each.seconds for each in waits]
    return Finding(
        kind="reviews_wait",
        finding=f"{len(waits)} tasks wait for a first review, the oldest for "
        f"{length(max(seconds))}.",
        cases=len(waits),
        evidence=[f"half of them have waited for more than {length(median(seconds))}"],
        look_at=first_few([each.task for each in sorted(waits, key=lambda each: -each.seconds)]),
        change=f"Ask a reviewer for each: {ASK}; or {REGISTER}.",
    )
