"""Removes relations between the issues of steps on GitHub, and makes them again."""

from bot.identity.actors import BOT
from store.engine.transaction import Tx
from store.outbox import write_cancellation, writes
from store.tasks import planned_relations
from store.tasks.tasks import FullTask

ENDED_EARLY = {
    "code": "cancelled",
    "message": "The task ended before it had an issue.",
    "details": {},
}
MADE_AGAIN = {**ENDED_EARLY, "message": "The step waits for it again."}
REMOVAL = "blocked_by_removal"


async def cancel_new_issue(tx: Tx, task: FullTask) -> None:
    """Cancel the write of the issue. If it was sent already, the mirror closes the issue."""
    for each in await writes.waiting(tx, task["installation_id"], f"task {task['id']}", "issue"):
        await write_cancellation.cancel(tx, each, ENDED_EARLY, author_knows=True)


async def remove(tx: Tx, task: FullTask, blocker: FullTask) -> None:
    """`task` no longer waits for `blocker`."""
    number, issue_id, where = task["number"], blocker["issue_id"], task["repository_id"]
    if number is None or issue_id is None:
        return
    await writes.queue(
        tx,
        task["installation_id"],
        kind=REMOVAL,
        repository_id=where,
        target=writes.on_issue(where, number),
        arguments={"number": number, "issue_id": issue_id},
        author=BOT,
        task_id=task["id"],
    )


async def restore(tx: Tx, task: FullTask, blocker: FullTask) -> None:
    """`task` waits for `blocker` again. Nobody can claim it before GitHub has the relation."""
    if await _cancel_removal(tx, task, blocker):
        return
    here = (tx, task["installation_id"])
    write_id = await writes.queue(
        *here,
        kind="blocked_by",
        repository_id=task["repository_id"],
        target=f"task {task['id']}",
        arguments={"number_of": task["id"], "issue_of": blocker["id"]},
        author=BOT,
        task_id=task["id"],
    )
    await planned_relations.add(*here, write_id, [task["id"]])


async def _cancel_removal(tx: Tx, task: FullTask, blocker: FullTask) -> bool:
    """Cancel a removal that was not sent yet. Return whether there was one."""
    target = writes.on_issue(task["repository_id"], task["number"] or 0)
    waiting = await writes.waiting(tx, task["installation_id"], target, REMOVAL)
    mine = [
        each
        for each in waiting
        if each["state"] == "queued" and each["arguments"].get("issue_id") == blocker["issue_id"]
    ]
    for each in mine:
        await write_cancellation.cancel(tx, each, MADE_AGAIN, author_knows=True)
    return bool(mine)
