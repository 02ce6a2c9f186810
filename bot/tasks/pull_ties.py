"""Ties a pull request to the task that its maker holds, and takes the task to review with it."""

from bot.pulls import facts, makers
from bot.pulls.verdict import is_same
from bot.tasks import lifecycle, lookup
from bot.tasks.states import OPEN
from store.engine.transaction import Tx
from store.mirror import task_pulls
from store.tables.mirror import PullRequestRow
from store.tasks import tasks
from store.tasks.tasks import FullTask


async def follow(tx: Tx, pull: PullRequestRow, before: PullRequestRow | None) -> None:
    """After a change of an open pull request."""
    if before is None or (before["state"], before["body"]) != ("open", pull["body"]):
        for task in await facts.tasks_of(tx, pull):
            await tie(tx, task, pull)
    if is_made_ready(pull, before):
        await send_to_review(tx, pull)


def is_made_ready(pull: PullRequestRow, before: PullRequestRow | None) -> bool:
    """Whether it became open for reviews: it is new, was opened again, or was a draft."""
    if pull["state"] != "open" or pull["draft"]:
        return False
    return before is None or before["state"] != "open" or bool(before["draft"])


async def tie(tx: Tx, task: FullTask, pull: PullRequestRow) -> bool:
    """Make it the task's own pull request, if its maker holds the task and it has no open one."""
    number = pull["number"]
    if task["holder"] is None or task["pull_number"] == number or task["state"] not in OPEN:
        return False
    if not is_same(task["holder"], await makers.maker_of(tx, pull)):
        return False
    own = await lookup.pull_request(tx, task)
    locked = await tasks.lock(tx, task["installation_id"], task["id"])
    if (own and own["state"] == "open") or locked is None or locked["holder"] != task["holder"]:
        return False
    await tasks.change(tx, task["installation_id"], task["id"], pull_number=number)
    await lifecycle.record(tx, locked, lifecycle.PULL, task["holder"], number=number)
    return True


async def send_to_review(tx: Tx, pull: PullRequestRow) -> None:
    """The tasks whose own pull request it is wait for a review now."""
    here = (tx, pull["installation_id"])
    for found in await tasks.of_pull(*here, pull["repository_id"], pull["number"]):
        task = await tasks.lock(*here, found["id"])
        if task is not None and task["state"] == "in_progress" and task["holder"]:
            why = f"pull request #{pull['number']} is ready for review"
            await lifecycle.move(tx, task, "in_review", task["holder"], why)


async def tie_claimed(tx: Tx, task: FullTask) -> FullTask:
    """After a claim: its holder may have opened a pull request before. The task as it is now.

    With an agent's claim its work goes on. A person reports nothing, so the review goes on.
    """
    if task["number"] is None:
        return task
    here = (tx, task["installation_id"], task["repository_id"])
    for pull in await task_pulls.for_issue(*here, task["full_name"], task["number"]):
        if await tie(tx, task, pull):
            if (task["holder"] or "").startswith("@") and not pull["draft"]:
                await send_to_review(tx, pull)
            return await tasks.get(tx, task["installation_id"], task["id"]) or task
    return task
