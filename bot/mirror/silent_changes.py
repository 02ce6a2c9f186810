"""What GitHub changes without a word of it: noticed by what hangs on it, and read again.

A label that is renamed or deleted is another on each of its issues, whose time of change stays as
it was; so it is with a milestone that is deleted, and with the boards and relations of an issue
that went to another repository.
"""

import json

from bot.github.payloads import Mirrored
from bot.mirror.webhooks.event import Ask, Moved, ask_numbered, ask_relations
from store.engine.transaction import Row, Tx
from store.fetch import backfills
from store.mirror import mirror_rows as stored
from store.mirror import referrers as found
from store.mirror.mirror_rows import Put

# Of as many issues and pull requests each is read; of more, all are walked.
MOST_READ = 50
WALKED = ("issues", "pulls")


async def follow(tx: Tx, each: Mirrored, put: Put) -> list[Ask]:
    """What must be read now that this row is in."""
    if each.table == "labels":
        return await _label(tx, each.row, put.before)
    if each.table == "milestones":
        return await _milestone(tx, each.row, put.before)
    if each.table in ("issues", "pull_requests"):
        return await _thread(tx, each, put.before)
    if each.table == "project_items" and not each.row["deleted"]:
        return await _item(tx, each.row)
    return []


async def label_gone(tx: Tx, row: Row) -> list[Ask]:
    """A list lacks it that was there."""
    return await _carrying(tx, row, labels=row["name"])


async def milestone_gone(tx: Tx, row: Row) -> list[Ask]:
    """A list lacks it that was there."""
    return await _carrying(tx, row, milestone=row["number"])


async def _label(tx: Tx, row: Row, before: Row | None) -> list[Ask]:
    if before is None:
        new = not stored.read_at(row["version"])
        return await _carrying(tx, row, labels=row["name"]) if new else []
    if before["deleted"] or (before["name"] == row["name"] and not row["deleted"]):
        return []
    return await _carrying(tx, row, labels=before["name"])


async def _milestone(tx: Tx, row: Row, before: Row | None) -> list[Ask]:
    if not row["deleted"] or (before is not None and before["deleted"]):
        return []
    return await _carrying(tx, row, milestone=row["number"])


async def _carrying(
    tx: Tx, row: Row, *, labels: str | None = None, milestone: int | None = None
) -> list[Ask]:
    here = (row["installation_id"], row["repository_id"])
    mark = json.dumps(labels, ensure_ascii=False) if labels is not None else None
    threads = await found.carrying(tx, *here, mark, milestone, MOST_READ + 1)
    if len(threads) > MOST_READ:
        await backfills.begin(tx, *here, WALKED)
        return []
    return [ask_numbered(kind, here[1], number) for kind, number in threads]


async def _thread(tx: Tx, each: Mirrored, before: Row | None) -> list[Ask]:
    row = each.row
    if row["deleted"]:
        return await _gone(tx, row) if each.table == "issues" else []
    if stored.read_at(row["version"]):
        return []
    kind = "issue" if each.table == "issues" else "pull_request"
    again = [ask_numbered(kind, row["repository_id"], row["number"])]
    here = (row["installation_id"], row["repository_id"])
    labels = json.loads(row["labels"])
    changed = before is None or before["labels"] != row["labels"]
    if labels and changed and await found.live_labels(tx, *here, labels) != len(labels):
        return again
    if row["milestone"] and await found.is_dead_milestone(tx, *here, row["milestone"]):
        return again
    return []


async def _gone(tx: Tx, row: Row) -> list[Ask]:
    """Its boards have the issue that it became, or do not have it any more; so its relations."""
    i = row["installation_id"]
    asks = [ask_item(item_id) for item_id in await found.items_of(tx, i, row["node_id"])]
    for near in await found.neighbours(tx, i, row["id"]):
        kind = NEIGHBOURS[near["kind"]]
        asks.append(ask_relations(kind, near["repository_id"], near["number"], near["id"]))
    return asks


def brought(moved: Moved) -> list[Ask]:
    """The relations of an issue go along to another repository."""
    there = (moved.new_repository_id, moved.new_number, moved.new_issue_id)
    return [ask_relations(kind, *there) for kind in NEIGHBOURS.values()]


# By the kind of a relation: the read, at its one end, that settles all of them.
NEIGHBOURS = {"parent": "sub_issues", "blocked_by": "blocked_by"}


async def _item(tx: Tx, row: Row) -> list[Ask]:
    if stored.read_at(row["version"]):
        return []
    left = await found.has_left(tx, row["installation_id"], row["content_node_id"])
    return [ask_item(row["id"])] if left else []


def ask_item(item_id: int) -> Ask:
    return Ask("project_item", str(item_id), {"item_id": item_id})
