"""Appends events when people or CI act on a task's issue or pull request, for those who wait."""

from collections.abc import Iterable

from bot.comments import authorship
from bot.times import SECOND
from store import events
from store.engine.transaction import Tx
from store.tables.builds import CheckRunRow
from store.tables.mirror import CommentRow, ReviewRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# A backfill also brings older comments, reviews and checks: those are no news.
RECENT = 3600 * SECOND


async def append_commented(tx: Tx, row: CommentRow, before: CommentRow | None) -> None:
    """For a comment on the task's issue, or in its pull request's conversation."""
    data = {"comment_id": row["id"], "association": row["author_association"]}
    await _append_words(tx, "task.commented", row, before, row["created_at"], data)


async def append_reviewed(tx: Tx, row: ReviewRow, before: ReviewRow | None) -> None:
    data = {"review_id": row["id"], "pull": row["number"], "state": row["state"]}
    await _append_words(tx, "task.reviewed", row, before, row["submitted_at"] or 0, data)


async def append_checked(tx: Tx, row: CheckRunRow, before: CheckRunRow | None) -> None:
    """For a check that completes on the head commit of the task's pull request."""
    ended = row["status"] == "completed"
    had_ended = before is not None and before["status"] == "completed"
    if not ended or had_ended or not await _is_recent(tx, row["completed_at"] or 0):
        return
    here = (tx, row["installation_id"], row["repository_id"])
    data: dict[str, object] = {
        "check": row["name"],
        "conclusion": row["conclusion"],
        "sha": row["head_sha"],
    }
    found = await tasks.of_head(*here, row["head_sha"])
    await _append(tx, found, "task.checked", row["app"], data)


async def _append_words(
    tx: Tx,
    kind: str,
    row: CommentRow | ReviewRow,
    before: CommentRow | ReviewRow | None,
    at: int,
    data: dict[str, object],
) -> None:
    """Only for a person's new words: an edit is no news, and a bot's words may be our own."""
    if before is not None or row.get("deleted") or authorship.is_bot(row["author"]):
        return
    if not await _is_recent(tx, at):
        return
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    task = await tasks.by_number(*here)
    found = [task] if task else await tasks.of_pull(*here)
    await _append(tx, found, kind, f"@{authorship.shown_author(row['author'])}", data)


async def _is_recent(tx: Tx, at: int) -> bool:
    return at > await tx.now() - RECENT


async def _append(
    tx: Tx, found: Iterable[FullTask], kind: str, actor: str, data: dict[str, object]
) -> None:
    for task in found:
        here = (tx, task["installation_id"])
        where = task["repository_id"]
        await events.append(*here, kind, task["id"], actor, data, repository_id=where)
