"""Issues that go to another repository: task and comments go along, whatever comes in what order.

The issue has a new id and number there; its comments keep their ids, and no event tells of them.
"""

from bot.github.payloads import Mirrored, guarded
from bot.mirror.webhooks.event import Moved
from store.engine.transaction import Row, Tx
from store.mirror import mirror_rows, search_index, transfers
from store.tasks import tasks as stored

# An issue may go on and on, and perhaps back.
MOST_MOVES = 10


async def carry(tx: Tx, installation_id: int, moved: Moved) -> None:
    """Nothing goes along to where the mirror does not reach."""
    old = (moved.repository_id, moved.number)
    await transfers.put(tx, installation_id, old, (moved.new_repository_id, moved.new_number))
    if await mirror_rows.repository_by_id(tx, installation_id, moved.new_repository_id) is None:
        return
    task = await stored.of_issue(tx, installation_id, moved.issue_id)
    if task is not None:
        new = (moved.new_repository_id, moved.new_issue_id, moved.new_number)
        await stored.rebind(tx, installation_id, task["id"], *new, moved.title)
    for row in await mirror_rows.all_comments(tx, installation_id, *old):
        there = await placed(tx, Mirrored("comments", row))
        await mirror_rows.overwrite(tx, "comments", there.row)
        await search_index.index(tx, "comments", there.row)


async def placed(tx: Tx, comment: Mirrored) -> Mirrored:
    """The comment, where its issue is now."""
    row = comment.row
    place = (row["repository_id"], row["number"])
    for _ in range(MOST_MOVES):
        further = await transfers.get(tx, row["installation_id"], place)
        if further is None:
            break
        place = further
    if place == (row["repository_id"], row["number"]):
        return comment
    return _at(row, *place)


def _at(row: Row, repository_id: int, number: int) -> Mirrored:
    content = {k: v for k, v in row.items() if k not in ("deleted", "version")}
    read_at = mirror_rows.read_at(row["version"])
    moved = content | {"repository_id": repository_id, "number": number}
    deleted = bool(row["deleted"])
    return guarded("comments", moved, row["updated_at"], deleted=deleted, read_at=read_at)
