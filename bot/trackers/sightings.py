"""Stores what was seen of issues there. The newest version of each counts, in any order."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bot.repository.mirror_settings import Mirror
from bot.times import SECOND
from bot.trackers import rules
from bot.trackers.foreign import ForeignIssue
from store.engine.transaction import Tx
from store.tables.trackers import TrackerLinkRow, TrackerRow
from store.trackers import links

# Between the two looks after which a missing issue is believed to be gone.
LOOK_AGAIN = 60 * SECOND


async def store(
    tx: Tx,
    tracker: TrackerRow,
    issues: Sequence[ForeignIssue],
    mirror: Mirror,
    *,
    alone: bool = False,
    sweep: int | None = None,
) -> None:
    """Store these issues. `alone`: it was asked for by its number, so nothing can be older.

    `sweep`: the look at all issues that showed them.
    """
    newest: dict[str, ForeignIssue] = {}
    for each in issues:
        if each.id not in newest or each.version >= newest[each.id].version:
            newest[each.id] = each
    here = (tx, tracker["installation_id"], tracker["id"])
    known = await links.of_ids(*here, newest.keys())
    if sweep is not None:
        await links.mark_seen(*here, known.keys(), sweep)
    now = await tx.now()
    for foreign_id, row in known.items():
        if changed := _changes(row, newest[foreign_id], now, alone=alone):
            await links.change(tx, row, **changed)
    new = [each for each in newest.values() if each.id not in known and _begins(each, mirror)]
    await links.add(tx, [_row(tracker, each, now, sweep) for each in new])


def _begins(issue: ForeignIssue, mirror: Mirror) -> bool:
    return issue.content.state == "open" and rules.matches(issue.content, mirror)


def _changes(row: TrackerLinkRow, issue: ForeignIssue, now: int, *, alone: bool) -> dict[str, Any]:
    """The columns to set."""
    if issue.version < row["version"]:
        # A copy there that is behind, or a restored backup: it is asked again, not at once.
        return {"missing_at": None, "look_at": now + LOOK_AGAIN} if alone else {}
    is_same, was_missing = issue.content.hash == row["hash"], row["missing_at"] is not None
    if not alone and not is_same:
        if issue.version == row["version"]:
            return {"look_at": now}
        if issue.content.moved and not row["content"]["moved"]:
            return {"look_at": row["look_at"] or now + LOOK_AGAIN}
    if is_same and not was_missing and not (alone and row["look_at"] is not None):
        return {"version": issue.version} if issue.version != row["version"] else {}
    changed: dict[str, Any] = {
        "version": issue.version,
        "hash": issue.content.hash,
        "content": asdict(issue.content),
        "number": issue.number,
        "url": issue.url,
        "missing_at": None,
        "look_at": None,
    }
    if row["task_id"] is not None:
        changed |= {"state": "linked", "due_at": now}
    return changed


async def note_missing(tx: Tx, tracker: TrackerRow, foreign_id: str) -> None:
    """It was not there. The second time it is gone."""
    row = await links.lock(tx, tracker["installation_id"], tracker["id"], foreign_id)
    if row is None or row["state"] == "gone":
        return
    now = await tx.now()
    if row["missing_at"] is None:
        await links.change(tx, row, missing_at=now, look_at=now + LOOK_AGAIN)
    elif now - row["missing_at"] < LOOK_AGAIN:
        await links.change(tx, row, look_at=row["missing_at"] + LOOK_AGAIN)
    elif row["task_id"] is None:
        await links.remove(tx, row)
    else:
        await links.change(tx, row, state="gone", look_at=None, due_at=now)


def _row(tracker: TrackerRow, issue: ForeignIssue, now: int, sweep: int | None) -> TrackerLinkRow:
    return {
        "installation_id": tracker["installation_id"],
        "tracker_id": tracker["id"],
        "foreign_id": issue.id,
        "number": issue.number,
        "url": issue.url,
        "version": issue.version,
        "hash": issue.content.hash,
        "content": asdict(issue.content),
        "state": "waiting",
        "task_id": None,
        "written": None,
        "pending": None,
        "kept": [],
        "sweep": tracker["sweep"] if sweep is None else sweep,
        "missing_at": None,
        "look_at": None,
        "due_at": None,
        "reported": None,
        "reports": 0,
        "report_at": 0,
        "created_at": now,
        "updated_at": now,
    }
