"""Appends events when people or CI act on a task's issue or pull request, for those who wait."""

from bot.comments import authorship, slash_commands
from bot.identity.actors import TRUSTED
from bot.kernel import event_recorder
from bot.kernel.notice_rules import FAILED, FailedCheck
from bot.kernel.sentences import shorten
from bot.mirror.changes import ReviewRequest
from bot.pulls import failed_checks, verdict
from bot.tasks import task_events
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import pulls
from store.outbox import write_history
from store.tables.builds import CheckRunRow, WorkflowJobRow
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


async def append_review_request(tx: Tx, installation_id: int, request: ReviewRequest) -> None:
    """For a person who asks another one on GitHub. What an agent asks for has events already."""
    if authorship.is_bot(request.asked_by.login):
        return
    actor = f"@{authorship.shown_author(request.asked_by.login)}"
    data: dict[str, object] = {"pull": request.number, "to": request.reviewer}
    here = (tx, installation_id, request.repository_id, request.number)
    for task in await tasks.of_pull(*here):
        await task_events.append(tx, task, "task.review_requested", actor, data)


async def append_checked(tx: Tx, row: CheckRunRow, before: CheckRunRow | None) -> None:
    """For a check that completes on the head commit of the task's pull request.

    Hubbub's own check has events of its own.
    """
    ended = row["status"] == "completed"
    had_ended = before is not None and before["status"] == "completed"
    if not ended or had_ended or row["name"] == verdict.NAME:
        return
    if not await _is_recent(tx, row["completed_at"] or 0):
        return
    found = await tasks.of_head(tx, row["installation_id"], row["repository_id"], row["head_sha"])
    if not found:
        return
    actor, failed = await _reporter(tx, row), await _failed_on(tx, row)
    for task in found:
        await task_events.append(tx, task, "task.checked", actor, _check_data(row), failed=failed)


def _check_data(row: CheckRunRow) -> dict[str, object]:
    data: dict[str, object] = {"check": row["name"], "conclusion": row["conclusion"]}
    data["sha"] = row["head_sha"]
    return data | ({"url": row["url"]} if row["url"] else {})


async def _failed_on(tx: Tx, row: CheckRunRow) -> list[FailedCheck]:
    """The checks that failed on the commit, if this one did."""
    if row["conclusion"] not in FAILED:
        return []
    here = (tx, row["installation_id"], row["repository_id"])
    return await failed_checks.of_commit(*here, row["head_sha"])


async def add_failed_steps(tx: Tx, row: WorkflowJobRow, before: WorkflowJobRow | None) -> None:
    """A job is a check, too. Only the job says which of its steps failed, and may come later."""
    if not row["failed_steps"] or (before is not None and before["failed_steps"]):
        return
    here = (tx, row["installation_id"], row["repository_id"])
    runs = await pulls.check_runs(*here, row["head_sha"])
    run = next((each for each in runs if each["id"] == row["id"]), None)
    if run is None or run["conclusion"] not in FAILED:
        return
    failed, actor = await _failed_on(tx, run), await _reporter(tx, run)
    for task in await tasks.of_head(*here, row["head_sha"]):
        event = task_events.happening(task, "task.checked", actor, _check_data(run), failed=failed)
        await event_recorder.renew_notices(tx, row["installation_id"], event)


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
