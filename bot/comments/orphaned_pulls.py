"""Says on a pull request that its task was cancelled, so that nobody reviews it in vain."""

from bot.comments import replies
from bot.identity.actors import BOT
from bot.tasks import lookup
from store.engine.transaction import Tx
from store.outbox import queued_replies, write_cancellation, writes
from store.tables.outbox import WriteRow
from store.tasks.tasks import FullTask

UNTRUE = {
    "code": "cancelled",
    "message": "The task or its pull request was decided again before this was posted.",
    "details": {},
}


async def flag(tx: Tx, task: FullTask) -> None:
    """Queue a comment on the open pull request of a task that was cancelled, unless it has one."""
    number = await open_pull(tx, task)
    if number is None or await _flags(tx, task, number):
        return
    await writes.queue(
        tx,
        task["installation_id"],
        kind="comment",
        repository_id=task["repository_id"],
        target=writes.on_issue(task["repository_id"], number),
        arguments={"number": number, "body": replies.orphaned_pull(task["number"] or 0)},
        author=BOT,
    )


async def withdraw(tx: Tx, task: FullTask) -> None:
    """Minimize the comment, because the task was retried or its pull request is not open."""
    number = task["pull_number"]
    for each in await _flags(tx, task, number) if number else []:
        if each["state"] == "queued":
            await write_cancellation.cancel(tx, each, UNTRUE, author_knows=True)
        if each["state"] != "sent" or not each["result"]:
            continue
        await writes.queue(
            tx,
            task["installation_id"],
            kind="comment_minimize",
            repository_id=task["repository_id"],
            target=each["target"],
            arguments={
                "number": number,
                "comment_id": each["result"]["comment_id"],
                "classifier": "OUTDATED",
            },
            author=BOT,
        )


async def _flags(tx: Tx, task: FullTask, number: int) -> list[WriteRow]:
    """The comments on the pull request that say so, or will, and are not minimized."""
    here = (tx, task["installation_id"], writes.on_issue(task["repository_id"], number))
    body = replies.orphaned_pull(task["number"] or 0)
    found = [
        each
        for each in await queued_replies.newest(*here, BOT)
        if each["arguments"].get("body") == body
    ]
    hidden = await queued_replies.hidden_comment_ids(*here) if found else set()
    return [each for each in found if (each["result"] or {}).get("comment_id") not in hidden]


async def open_pull(tx: Tx, task: FullTask) -> int | None:
    """The number of the task's open pull request."""
    row = await lookup.pull_request(tx, task)
    return row["number"] if row and row["state"] == "open" else None
