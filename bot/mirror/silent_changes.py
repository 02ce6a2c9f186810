"""Changes that GitHub makes without a webhook: found by the row that caused them, and read again.

Renaming or deleting a label changes every issue that carries it, but not their `updated_at`, and
sends no event about them. So does deleting a milestone. An issue that moves to another repository
takes its board items and its relations along, and no event says so.
"""

import json

from bot.mirror import reads
from bot.mirror.changes import Transfer
from store.engine import json_text
from store.engine.transaction import Tx
from store.fetch import backfills
from store.mirror import referrers, version_guard
from store.tables.boards import ProjectItemRow
from store.tables.mirror import IssueRow, LabelRow, MilestoneRow, PullRequestRow

# Up to so many issues and pull requests are read one by one; beyond it a backfill reads all.
MOST_READ = 50
BACKFILLED = ("issues", "pulls")
# By the kind of a relation: the read, at one of its ends, that settles all of them.
NEIGHBOURS = {"parent": "sub_issues", "blocked_by": "blocked_by"}


async def after_label(tx: Tx, row: LabelRow, before: LabelRow | None) -> list[reads.Read]:
    if before is None:
        new = not version_guard.read_at(row["version"])
        return await carriers_of_label(tx, row) if new else []
    if before["deleted"] or (before["name"] == row["name"] and not row["deleted"]):
        return []
    return await carriers_of_label(tx, before)


async def after_milestone(
    tx: Tx, row: MilestoneRow, before: MilestoneRow | None
) -> list[reads.Read]:
    if not row["deleted"] or (before is not None and before["deleted"]):
        return []
    return await carriers_of_milestone(tx, row)


async def after_issue(tx: Tx, row: IssueRow, before: IssueRow | None) -> list[reads.Read]:
    if row["deleted"]:
        return await _after_deleted_issue(tx, row)
    return await _after_thread(tx, "issue", row, before)


async def after_pull(
    tx: Tx, row: PullRequestRow, before: PullRequestRow | None
) -> list[reads.Read]:
    return [] if row["deleted"] else await _after_thread(tx, "pull_request", row, before)


async def after_board_item(
    tx: Tx, row: ProjectItemRow, _: ProjectItemRow | None
) -> list[reads.Read]:
    """An item whose issue moved shows the new issue by now."""
    if row["deleted"] or version_guard.read_at(row["version"]):
        return []
    left = await referrers.has_moved(tx, row["installation_id"], row["content_node_id"])
    return [reads.board_item(row["id"])] if left else []


def after_transfer(transfer: Transfer) -> list[reads.Read]:
    """The issue keeps its relations in the new repository."""
    there = (transfer.new_repository_id, transfer.new_number, transfer.new_issue_id)
    return [reads.relations(kind, *there) for kind in NEIGHBOURS.values()]


async def carriers_of_label(tx: Tx, label: LabelRow) -> list[reads.Read]:
    mark = json.dumps(label["name"], ensure_ascii=False)
    return await _carriers(tx, label, label=mark)


async def carriers_of_milestone(tx: Tx, milestone: MilestoneRow) -> list[reads.Read]:
    return await _carriers(tx, milestone, milestone=milestone["number"])


async def _carriers(
    tx: Tx, row: LabelRow | MilestoneRow, *, label: str | None = None, milestone: int | None = None
) -> list[reads.Read]:
    """Reads of all that carry it; where they are too many, begin a backfill and return none."""
    here = (row["installation_id"], row["repository_id"])
    threads = await referrers.threads_with(tx, *here, label, milestone, MOST_READ + 1)
    if len(threads) > MOST_READ:
        await backfills.begin(tx, *here, BACKFILLED)
        return []
    return [reads.thread(kind, here[1], number) for kind, number in threads]


async def _after_thread(
    tx: Tx, kind: str, row: IssueRow | PullRequestRow, before: IssueRow | PullRequestRow | None
) -> list[reads.Read]:
    """Read it again if a webhook names a label or milestone that is gone by now."""
    if version_guard.read_at(row["version"]):
        return []
    again = [reads.thread(kind, row["repository_id"], row["number"])]
    here = (row["installation_id"], row["repository_id"])
    labels = json_text.value(row["labels"])
    changed = before is None or before["labels"] != row["labels"]
    if labels and changed and await referrers.live_labels(tx, *here, labels) != set(labels):
        return again
    if row["milestone"] and await referrers.is_dead_milestone(tx, *here, row["milestone"]):
        return again
    return []


async def _after_deleted_issue(tx: Tx, row: IssueRow) -> list[reads.Read]:
    """It was deleted or moved: its board items and relations show the new issue, or are gone."""
    i = row["installation_id"]
    wanted = [reads.board_item(each) for each in await referrers.items_of(tx, i, row["node_id"])]
    for near in await referrers.neighbours(tx, i, row["id"]):
        kind = NEIGHBOURS[near["kind"]]
        wanted.append(reads.relations(kind, near["repository_id"], near["number"], near["id"]))
    return wanted
