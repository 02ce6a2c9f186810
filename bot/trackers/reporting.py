"""Says there what became of a task: each state once, the newest only, and not too often."""

from typing import Any

from bot.notifications.message import Links
from bot.repository.mirror_settings import Mirror
from bot.tasks import lookup
from bot.times import SECOND
from bot.trackers import rules, texts
from bot.trackers.foreign import content_of
from store.engine import ids
from store.engine.transaction import Tx
from store.tables.trackers import ReportKind, TrackerLinkRow, TrackerReportRow
from store.tasks.tasks import FullTask
from store.trackers import reports

# Comments on one issue in all, and how far apart.
MOST, EVERY = 40, 60 * SECOND


async def queue(
    tx: Tx, link: TrackerLinkRow, task: FullTask, mirror: Mirror, pages: Links
) -> dict[str, Any]:
    """Queue what is to be said there. Return the columns of the link that change."""
    if link["state"] == "gone" or not rules.matches(content_of(link["content"]), mirror):
        return {}
    here = (tx, link["installation_id"], link["tracker_id"], link["foreign_id"])
    now = await tx.now()
    closing = _about(task, "close")
    if _closes(link, task, mirror) and not await reports.has(*here, closing):
        await reports.add(tx, _row(link, "close", closing, now))
    about = _about(task, task["state"])
    if not _is_news(link, task, mirror) or await reports.has(*here, about):
        return {}
    await reports.drop_queued(*here)
    row = _row(link, "comment", about, now)
    name = lookup.name(task)
    row["body"] = texts.comment(task["state"], name, pages.of(name), row["id"])
    row["not_before"] = max(now, link["report_at"])
    await reports.add(tx, row)
    report_at = row["not_before"] + EVERY
    return {"reported": about, "reports": link["reports"] + 1, "report_at": report_at}


def _about(task: FullTask, what: str) -> str:
    """Another claim or retry makes the same state news again."""
    return f"{what}:{task['fence']}:{task['retried_at'] or 0}"


def _is_news(link: TrackerLinkRow, task: FullTask, mirror: Mirror) -> bool:
    """Whether people there want to know, and do not know it from there."""
    if task["state"] not in mirror.reports or link["reports"] >= MOST:
        return False
    content = content_of(link["content"])
    ended = rules.state_here(task["state"]) != "open"
    return not (ended and content.state == "closed")


def _closes(link: TrackerLinkRow, task: FullTask, mirror: Mirror) -> bool:
    is_open = content_of(link["content"]).state == "open"
    return mirror.closes and is_open and task["state"] == "completed"


def _row(link: TrackerLinkRow, kind: ReportKind, about: str, now: int) -> TrackerReportRow:
    return {
        "installation_id": link["installation_id"],
        "id": ids.new("k", now),
        "tracker_id": link["tracker_id"],
        "foreign_id": link["foreign_id"],
        "number": link["number"],
        "kind": kind,
        "about": about,
        "body": "",
        "state": "queued",
        "attempts": 0,
        "looks": 0,
        "not_before": now,
        "created_at": now,
        "ended_at": None,
        "error": None,
    }
