"""What people and CI say of a task's issue or pull request, as events for those who wait."""

from collections.abc import Iterable

from bot.times import SECOND
from store import events
from store.engine.transaction import Row, Tx
from store.mirror.mirror_rows import Put
from store.tasks import tasks as stored

# What is older was fetched later, and is no news.
LATELY = 3600 * SECOND


async def comment_came(tx: Tx, row: Row, put: Put) -> None:
    """On the issue, or in the conversation of the pull request."""
    data = {"comment_id": row["id"], "association": row["author_association"]}
    await _said(tx, "task.commented", row, put, row["created_at"], data)


async def review_came(tx: Tx, row: Row, put: Put) -> None:
    data = {"review_id": row["id"], "pull": row["number"], "state": row["state"]}
    await _said(tx, "task.reviewed", row, put, row["submitted_at"] or 0, data)


async def check_ended(tx: Tx, row: Row, put: Put) -> None:
    """On the head of the task's pull request."""
    ended = row["status"] == "completed"
    was = put.before is not None and put.before["status"] == "completed"
    if not ended or was or not await _is_news(tx, row["completed_at"] or 0):
        return
    here = (tx, row["installation_id"], row["repository_id"])
    data = {"check": row["name"], "conclusion": row["conclusion"], "sha": row["head_sha"]}
    await _tell(tx, await stored.of_head(*here, row["head_sha"]), "task.checked", row["app"], data)


async def _said(tx: Tx, kind: str, row: Row, put: Put, at: int, data: dict[str, object]) -> None:
    """By a person, and not edited: what bots say may be our own."""
    if put.before is not None or row.get("deleted") or row["author"].endswith("[bot]"):
        return
    if not await _is_news(tx, at):
        return
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    task = await stored.by_number(*here)
    found = [task] if task else await stored.of_pull(*here)
    await _tell(tx, found, kind, f"@{row['author']}", data)


async def _is_news(tx: Tx, at: int) -> bool:
    return at > await tx.now() - LATELY


async def _tell(
    tx: Tx, about: Iterable[Row], kind: str, actor: str, data: dict[str, object]
) -> None:
    for task in about:
        here = (tx, task["installation_id"])
        where = task["repository_id"]
        await events.append(*here, kind, task["id"], actor, data, repository_id=where)
