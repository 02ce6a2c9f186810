"""Appends events when people or CI act on a task's issue or pull request, for those who wait."""

from bot.comments import authorship, slash_commands
from bot.identity.actors import TRUSTED
from bot.kernel.sentences import shorten
from bot.tasks import task_events
from bot.times import SECOND
from store.engine.transaction import Tx
from store.outbox import write_history
from store.tables.builds import CheckRunRow
from store.tables.mirror import CommentRow, PullRequestRow, ReviewRow
from store.tasks import tasks

# A backfill also brings older comments, reviews and checks: those are no news.
RECENT = 3600 * SECOND


async def append_commented(tx: Tx, row: CommentRow, before: CommentRow | None) -> None:
    """For a comment on the task's issue, or in its pull request's conversation.

    A comment that is only commands is for Hubbub. What a command does has events of its own.
    """
    if not _is_new(row, before) or slash_commands.is_for_hubbub(row["body"]):
        return
    if not await _is_recent(tx, row["created_at"]):
        return
    data: dict[str, object] = {"comment_id": row["id"], "association": row["author_association"]}
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    await append_comment(*here, _author(row), data, _quotable(row))


async def append_comment(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    number: int,
    actor: str,
    data: dict[str, object],
    quote: str | None,
) -> None:
    """For a comment on an issue or pull request. `quote`: its text, if its author is trusted."""
    here = (tx, installation_id, repository_id, number)
    if task := await tasks.by_number(*here):
        await task_events.append(tx, task, "task.commented", actor, data, quote=quote)
        return
    data = {**data, "pull": number}
    for task in await tasks.of_pull(*here):
        await task_events.append(tx, task, "task.commented", actor, data, quote=quote)


async def append_reviewed(tx: Tx, row: ReviewRow, before: ReviewRow | None) -> None:
    if not _is_new(row, before) or not await _is_recent(tx, row["submitted_at"] or 0):
        return
    data: dict[str, object] = {
        "review_id": row["id"],
        "pull": row["number"],
        "state": row["state"],
    }
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    await _append_review(*here, _author(row), data, _quotable(row))


async def append_verdict(
    tx: Tx, pull: PullRequestRow, actor: str, state: str, body: str, write_id: str
) -> None:
    """For the review of an agent, as soon as it is queued. Its echo is a bot's, and no news."""
    data: dict[str, object] = {"pull": pull["number"], "state": state, "write_id": write_id}
    here = (tx, pull["installation_id"], pull["repository_id"], pull["number"])
    await _append_review(*here, actor, data, body)


async def _append_review(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    number: int,
    actor: str,
    data: dict[str, object],
    quote: str | None,
) -> None:
    """`quote`: the text of the review, if its author is trusted."""
    excerpt = {"body": shorten(quote)} if quote else {}
    for task in await tasks.of_pull(tx, installation_id, repository_id, number):
        given = {**data, **excerpt}
        await task_events.append(tx, task, "task.reviewed", actor, given, quote=quote)


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
    actor = await _reporter(tx, row) if found else ""
    for task in found:
        await task_events.append(tx, task, "task.checked", actor, data)


async def _reporter(tx: Tx, row: CheckRunRow) -> str:
    """The agent that reported the check through Hubbub, or else the App that did."""
    target = f"check {row['repository_id']} {row['head_sha']} {row['name']}"
    reports = await write_history.results(tx, row["installation_id"], target, 1)
    return reports[0]["author"] if reports else row["app"]


def _is_new(row: CommentRow | ReviewRow, before: CommentRow | ReviewRow | None) -> bool:
    """Whether it is a person's new words: an edit is no news, and a bot's words may be our own."""
    return before is None and not row.get("deleted") and not authorship.is_bot(row["author"])


def _author(row: CommentRow | ReviewRow) -> str:
    return f"@{authorship.shown_author(row['author'])}"


def _quotable(row: CommentRow | ReviewRow) -> str | None:
    """Its text, if the author is trusted."""
    return row["body"] if row["author_association"] in TRUSTED else None


async def _is_recent(tx: Tx, at: int) -> bool:
    return at > await tx.now() - RECENT
