"""Issues that move to another repository: their task and comments move with them.

The issue gets a new id and number there. Its comments keep their ids, and GitHub sends no event
about them. Deliveries may come in any order.
"""

from bot.comments import posted_texts
from bot.github.payloads import Mirrored, with_version
from bot.mirror.changes import Transfer
from bot.tasks import lifecycle
from store.engine.transaction import Row, Tx
from store.inbox import commands
from store.mirror import (
    mirror_rows,
    search_index,
    stored_issues,
    stored_repositories,
    transfers,
    version_guard,
)
from store.tasks import tasks

# An issue may move several times, and even back to where it was.
MOST_MOVES = 10


async def move_with_issue(tx: Tx, installation_id: int, transfer: Transfer) -> None:
    """Move the task, comments and waiting commands, if the mirror covers the new repository."""
    old = (transfer.repository_id, transfer.number)
    await transfers.put(tx, installation_id, old, (transfer.new_repository_id, transfer.new_number))
    if (
        await stored_repositories.repository_by_id(tx, installation_id, transfer.new_repository_id)
        is None
    ):
        return
    await commands.move(tx, installation_id, old, (transfer.new_repository_id, transfer.new_number))
    task = await tasks.of_issue(tx, installation_id, transfer.issue_id)
    if task is not None:
        new = (transfer.new_repository_id, transfer.new_issue_id, transfer.new_number)
        await tasks.rebind(tx, installation_id, task["id"], *new, transfer.title)
        await lifecycle.announce_if_ready(tx, installation_id, task["id"], "its issue moved here")
    for row in await stored_issues.all_comments(tx, installation_id, *old):
        comment = await with_current_place(tx, Mirrored("comments", row))
        await mirror_rows.overwrite(tx, "comments", comment.row)
        await search_index.index(
            tx, "comments", comment.row, await posted_texts.reader_of(tx, comment.row)
        )


async def with_current_place(tx: Tx, comment: Mirrored) -> Mirrored:
    """The comment with the repository and number that its issue has now."""
    row = comment.row
    place = (row["repository_id"], row["number"])
    for _ in range(MOST_MOVES):
        following = await transfers.get(tx, row["installation_id"], place)
        if following is None:
            break
        place = following
    if place == (row["repository_id"], row["number"]):
        return comment
    return _at(row, *place)


def _at(row: Row, repository_id: int, number: int) -> Mirrored:
    content = {k: v for k, v in row.items() if k not in ("deleted", "version")}
    read_at = version_guard.read_at(row["version"])
    moved = content | {"repository_id": repository_id, "number": number}
    deleted = bool(row["deleted"])
    return with_version("comments", moved, row["updated_at"], deleted=deleted, read_at=read_at)
