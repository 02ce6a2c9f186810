"""Backfill: read a new repository completely, page by page, while other work goes on.

Where GitHub can sort by time of change, a page begins at the time where the last one ended. What
changes during the backfill moves to a later page, so Hubbub reads it again. Rows of webhooks and of
pages have versions, and the newer row wins. If the mirror has a row in the time span of a page, but
the page lacks it, Hubbub reads that row by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bot.fetch.answers import issues, pulls
from bot.fetch.answers.answer import Apply, rows
from bot.github.payloads import Json, at, maybe_number, time
from bot.mirror import reads
from bot.times import SECOND, stamp
from store.engine.transaction import Store, Tx
from store.fetch import backfills
from store.tables.fetch import BackfillRow

log = structlog.get_logger()

# Backfill may use this share of an installation's hourly rate limit.
SHARE = 0.5
# Seconds between two requests of a backfill: 600 a minute are below GitHub's 900 points a minute.
PACE_S = 0.1
# Backfill skips reviews and checks of pull requests that were closed longer ago.
RECENT = 90 * 24 * 3600 * SECOND


@dataclass(frozen=True)
class Part:
    """A part of a backfill. `path` makes the path of the first page from the part's row."""

    permission: str
    path: Callable[[BackfillRow], str]
    apply: Apply
    # The table, if pages go by time of change. Otherwise Hubbub follows GitHub's links.
    table: str | None = None
    # Whether the newest come first. Then the part ends at the first entry older than `since`.
    newest_first: bool = False
    reads_for: Callable[[BackfillRow, Json, int], list[reads.Read]] = lambda _, __, ___: []


def _since_query(part: BackfillRow) -> str:
    return f"&since={stamp(part['reached'])}" if part["reached"] else ""


def _relation_reads(part: BackfillRow, issue: Json, _: int) -> list[reads.Read]:
    """The reads of an issue's relations, if GitHub says that it has some."""
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


def _pull_reads(part: BackfillRow, pull: Json, now: int) -> list[reads.Read]:
    """The reads of reviews, files and checks, for open or recently changed pull requests."""
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
        lambda part: (
            f"issues?state=all&sort=updated&direction=asc&per_page=100{_since_query(part)}"
        ),
        issues.apply_issues,
        table="issues",
        reads_for=_relation_reads,
    ),
    "comments": Part(
        "issues: read",
        lambda part: f"issues/comments?sort=updated&direction=asc&per_page=100{_since_query(part)}",
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
        reads_for=_pull_reads,
    ),
    "review_comments": Part(
        "pull_requests: read",
        lambda part: f"pulls/comments?sort=updated&direction=asc&per_page=100{_since_query(part)}",
        rows(pulls.review_comments),
        table="review_comments",
    ),
}
# These are small enough for one read each.
SINGLE_READS = ("repository", "labels", "milestones", "refs", "settings", "workflow_files")
OWNERS = "boards"


async def begin(tx: Tx, installation_id: int, repository_id: int, since: int = 0) -> None:
    """Start the backfill of a repository, or of what changed in it since a time (microseconds)."""
    await backfills.begin(tx, installation_id, repository_id, tuple(PARTS), since)
    for kind in SINGLE_READS:
        await reads.queue(tx, installation_id, reads.repository(kind, repository_id, reads.LATER))


async def begin_missing(store: Store) -> int:
    """Start the backfills of repositories and owners that had none. Return how many.

    Parts that GitHub refused a day ago start again too, because a feature may be on now.
    """

    async def work(tx: Tx) -> int:
        found = await backfills.repositories_without_backfill(tx, 100)
        for row in found:
            await begin(tx, row["installation_id"], row["id"])
        owners = await backfills.owners_without_backfill(tx, 100)
        for installation_id in owners:
            await begin_owner(tx, installation_id)
        refused = await backfills.long_refused(tx, 100)
        for row in refused:
            await backfills.retry_refused(tx, row["installation_id"], row["id"])
        return len(found) + len(owners) + len(refused)

    if not await store.read(_is_anything_missing):
        return 0
    count = await store.write(work)
    log.info("backfill started", places=count)
    return count


async def _is_anything_missing(tx: Tx) -> bool:
    return bool(
        await backfills.repositories_without_backfill(tx, 1)
        or await backfills.owners_without_backfill(tx, 1)
        or await backfills.long_refused(tx, 1)
    )


async def begin_owner(tx: Tx, installation_id: int) -> None:
    """Start the backfill of an owner's boards.

    One read lists them. When its answer comes, each board becomes a part of its own.
    """
    await backfills.begin(tx, installation_id, 0, (OWNERS,))
    row: backfills.PartKey = {
        "installation_id": installation_id,
        "repository_id": 0,
        "part": OWNERS,
    }
    await backfills.mark_done(tx, row)
    await reads.queue(tx, installation_id, reads.Read("projects", "", {}, reads.LATER))
