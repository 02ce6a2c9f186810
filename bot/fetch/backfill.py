"""Backfill: a repository that appears is fetched whole, page by page, beside all other work.

What can be walked by the time of change is: a page begins where the last one ended, so that what
changes meanwhile moves ahead and is met again. Webhooks that come in meanwhile win or lose by the
same guard. What the mirror has within a page's span and the page lacks is asked for by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bot.fetch.answers import issues, pulls
from bot.fetch.answers.answer import Apply, rows
from bot.github.payloads import Json, at, maybe_number, time
from bot.mirror import reads
from bot.times import SECOND, utc
from store.engine.transaction import Row, Store, Tx
from store.fetch import backfills

log = structlog.get_logger()

# Of what GitHub lets an installation ask in an hour, as much may go into backfill.
SHARE = 0.5
# Seconds between two of its requests: 600 a minute are within GitHub's 900 points.
PACE_S = 0.1
# Reviews and checks of pull requests that were closed longer ago are not fetched.
RECENT = 90 * 24 * 3600 * SECOND


@dataclass(frozen=True)
class Part:
    """`path` takes the row of the part (with `since`, ISO 8601 or empty) to its first page."""

    permission: str
    path: Callable[[Row], str]
    apply: Apply
    # Its table, when it is walked by the time of change; else it is by GitHub's links.
    table: str | None = None
    # Newest first: what is older than `since` ends it.
    newest_first: bool = False
    reads_for: Callable[[Row, Json, int], list[reads.Read]] = lambda _, __, ___: []


def _since(part: Row) -> str:
    return f"&since={utc(part['reached'])}" if part["reached"] else ""


def _relations(part: Row, issue: Json, _: int) -> list[reads.Read]:
    """Only where GitHub says that there are some."""
    number = maybe_number(at(issue, "number"))
    if number is None:
        return []
    here = (part["repository_id"], number)
    blocked = at(issue, "issue_dependencies_summary", "total_blocked_by")
    blocked = blocked or at(issue, "issue_dependencies_summary", "blocked_by")
    children = at(issue, "sub_issues_summary", "total")
    return [
        *([reads.thread("blocked_by", *here, reads.LATER)] if blocked else []),
        *([reads.thread("sub_issues", *here, reads.LATER)] if children else []),
    ]


def _of_pull(part: Row, pull: Json, now: int) -> list[reads.Read]:
    """Reviews and checks of the open ones, and of those closed lately."""
    number, sha = maybe_number(at(pull, "number")), at(pull, "head", "sha")
    open_ = at(pull, "state") == "open"
    if number is None or not (open_ or time(at(pull, "updated_at")) > now - RECENT):
        return []
    here = part["repository_id"]
    wanted = [reads.thread("reviews", here, number, reads.LATER)]
    if open_:
        wanted.append(reads.thread("pull_files", here, number, reads.LATER))
        if isinstance(sha, str):
            wanted.append(reads.checks(here, sha, reads.LATER))
    return wanted


PARTS: dict[str, Part] = {
    "issues": Part(
        "issues: read",
        lambda part: f"issues?state=all&sort=updated&direction=asc&per_page=100{_since(part)}",
        issues.issues,
        table="issues",
        reads_for=_relations,
    ),
    "comments": Part(
        "issues: read",
        lambda part: f"issues/comments?sort=updated&direction=asc&per_page=100{_since(part)}",
        rows(issues.comments),
        table="comments",
    ),
    "pulls": Part(
        "pull_requests: read",
        lambda part: (
            "pulls?state=all&direction="
            f"{'desc&sort=updated' if part['since'] else 'asc&sort=created'}&per_page=100"
        ),
        rows(pulls.pull_requests),
        newest_first=True,
        reads_for=_of_pull,
    ),
    "review_comments": Part(
        "pull_requests: read",
        lambda part: f"pulls/comments?sort=updated&direction=asc&per_page=100{_since(part)}",
        rows(pulls.review_comments),
        table="review_comments",
    ),
}
# What is small enough for one read each.
ASKED = ("repository", "labels", "milestones", "refs", "settings")
OWNERS = "boards"


async def begin(tx: Tx, installation_id: int, repository_id: int, since: int = 0) -> None:
    """Fetch a repository whole, or what changed since (microseconds)."""
    await backfills.begin(tx, installation_id, repository_id, tuple(PARTS), since)
    for kind in ASKED:
        await reads.queue(tx, installation_id, reads.repository(kind, repository_id, reads.LATER))


async def begin_missing(store: Store) -> int:
    """See that whatever is there was fetched once: how many were begun."""

    async def work(tx: Tx) -> int:
        found = await backfills.unbegun(tx, 100)
        for row in found:
            await begin(tx, row["installation_id"], row["id"])
        owners = await backfills.unbegun_owners(tx, 100)
        for installation_id in owners:
            await begin_owner(tx, installation_id)
        return len(found) + len(owners)

    if not await store.read(_anything_missing):
        return 0
    begun = await store.write(work)
    log.info("backfill begun", places=begun)
    return begun


async def _anything_missing(tx: Tx) -> bool:
    return bool(await backfills.unbegun(tx, 1) or await backfills.unbegun_owners(tx, 1))


async def begin_owner(tx: Tx, installation_id: int) -> None:
    """The boards: their list is one read, and each then becomes a part of its own."""
    await backfills.begin(tx, installation_id, 0, (OWNERS,))
    row = {"installation_id": installation_id, "repository_id": 0, "part": OWNERS}
    await backfills.mark_done(tx, row)
    await reads.queue(tx, installation_id, reads.Read("projects", "", {}, reads.LATER))
