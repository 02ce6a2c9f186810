"""Removes relations between the issues of steps on GitHub, and makes them again."""

from bot.identity.actors import BOT
from bot.tasks import lifecycle
from store.engine.transaction import Tx
from store.outbox import write_cancellation, writes
from store.tables.outbox import WriteRow
from store.tasks import planned_relations
from store.tasks.tasks import FullTask

ENDED_EARLY = {
    "code": "cancelled",
    "message": "The task ended before it had an issue.",
    "details": {},
}


NOT_NEEDED = {**ENDED_EARLY, "message": "The step goes on without it."}
MADE_AGAIN = {**ENDED_EARLY, "message": "The step waits for it again."}
REMOVAL = "blocked_by_removal"


async def cancel_new_issue(tx: Tx, task: FullTask) -> None:
    """Cancel the write of the issue. If it was sent already, the mirror closes the issue."""
    for each in await writes.waiting(tx, task["installation_id"], f"task {task['id']}", "issue"):
        await write_cancellation.cancel(tx, each, ENDED_EARLY, author_knows=True)


async def remove(tx: Tx, task: FullTask, blocker: FullTask) -> None:
    """`task` no longer waits for `blocker`."""
    if await _cancel_planned(tx, task, blocker):
        return
    here, where = (tx, task["installation_id"]), task["repository_id"]
    own = f"task {task['id']}"
    is_planned = bool(await _planned_writes(tx, task, blocker))
    number, issue_id = task["number"], blocker["issue_id"]
    if not is_planned and (number is None or issue_id is None):
        return
    await writes.queue(
        *here,
        kind=REMOVAL,
        repository_id=where,
        # Behind the write that makes the relation, if that may be on its way.
        target=own if is_planned or number is None else writes.on_issue(where, number),
        arguments={
            "number": number,
            "issue_id": issue_id,
            # Until it is sent, the issues may move to other repositories.
            "number_of": task["id"],
            "issue_of": blocker["id"],
        },
        author=BOT,
        task_id=task["id"],
    )


async def _cancel_planned(tx: Tx, task: FullTask, blocker: FullTask) -> bool:
    """Cancel the relation if GitHub was not asked for it yet. Return whether it was."""
    here = (tx, task["installation_id"])
    found = await _planned_writes(tx, task, blocker)
    for each in found:
        if not await write_cancellation.cancel(tx, each, NOT_NEEDED, author_knows=True):
            return False
        waiting = await planned_relations.waiting_for(*here, each["id"])
        await planned_relations.remove(*here, each["id"])
        for task_id in waiting:
            await lifecycle.announce_if_ready(*here, task_id, "it waits for no relation any more")
    return bool(found)


async def _planned_writes(tx: Tx, task: FullTask, blocker: FullTask) -> list[WriteRow]:
    """The writes that make the relation and have not ended."""
    found = await writes.waiting(tx, task["installation_id"], f"task {task['id']}", "blocked_by")
    ends = (("issue_of", blocker["id"]), ("issue_id", blocker["issue_id"]))
    return [
        each
        for each in found
        if any(value and each["arguments"].get(name) == value for name, value in ends)
    ]


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
    here = (tx, task["installation_id"])
    targets = (
        f"task {task['id']}",
        writes.on_issue(task["repository_id"], task["number"] or 0),
    )
    mine = [
        each
        for target in targets
        for each in await writes.waiting(*here, target, REMOVAL)
        if each["state"] == "queued" and each["arguments"].get("issue_of") == blocker["id"]
    ]
    for each in mine:
        await write_cancellation.cancel(tx, each, MADE_AGAIN, author_knows=True)
    return bool(mine)
