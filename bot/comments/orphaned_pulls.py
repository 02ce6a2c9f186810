"""Says on a pull request that its task was cancelled, so that nobody reviews it in vain."""

from bot.comments import replies
from bot.identity.actors import BOT
from bot.tasks import lookup
from store.engine.transaction import Tx
from store.outbox import writes
from store.tasks.tasks import FullTask


async def flag(tx: Tx, task: FullTask) -> None:
    """Queue a comment on the open pull request of a task that was cancelled, unless it has one."""
    number = await open_pull(tx, task)
    if number is None:
        return
    body = replies.orphaned_pull(task["number"] or 0)
    target = writes.on_issue(task["repository_id"], number)
    last = await writes.newest(tx, task["installation_id"], target, "comment")
    if last is not None and last["arguments"].get("body") == body:
        return
    await writes.queue(
        tx,
        task["installation_id"],
        kind="comment",
        repository_id=task["repository_id"],
        target=target,
        arguments={"number": number, "body": body},
        author=BOT,
    )


async def open_pull(tx: Tx, task: FullTask) -> int | None:
    """The number of the task's open pull request."""
    row = await lookup.pull_request(tx, task)
    return row["number"] if row and row["state"] == "open" else None
