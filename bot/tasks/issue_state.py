"""Whether a task's issue is open: the last decision wins, on GitHub and in Hubbub.

Decisions come from commands, operations and people who close or reopen the issue by hand. Hubbub
carries out the first two by writes. A later decision takes the place of a queued write and follows
one that is being sent. The webhook of a write that a later decision superseded is no decision.
"""

from typing import Literal

from bot.identity.actors import BOT
from bot.tasks.states import OPEN
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.outbox import issue_changes, writes
from store.tables.mirror import IssueRow
from store.tables.outbox import WriteRow
from store.tables.tasks import TaskState
from store.tasks.tasks import FullTask

State = Literal["open", "closed"]
# How far GitHub's clock and ours may be apart, to recognise the effect of a write by its time.
SKEW = 3 * SECOND
# GitHub's `state_reason` for a task that ended. The issue of a failed task stays as it is.
REASONS: dict[TaskState, str] = {"completed": "completed", "cancelled": "not_planned"}
# What github_update_issue calls the states of an issue, to the state of its task.
STATES: dict[str, TaskState] = {
    "open": "pending",
    "completed": "completed",
    "not_planned": "cancelled",
}


def state_of(write: WriteRow) -> str:
    """The state that the write gives the issue."""
    return str(write["arguments"]["state"])


def wanted_state(task: FullTask) -> State | None:
    """What the task's state means for its issue."""
    if task["state"] in OPEN:
        return "open"
    return "closed" if task["state"] in REASONS else None


async def withdraw_queued(
    tx: Tx, installation_id: int, where: int, number: int, *, before: int | None = None
) -> bool:
    """A new decision takes the place of those that wait in the outbox.

    `before`: only of those from before this time. Return whether newer ones wait.
    """
    target = writes.on_issue(where, number)
    found = await issue_changes.state_changes(tx, installation_id, target)
    waiting = [each for each in found if each["state"] == "queued"]
    # A person's write comes from a command, which is older than it. What the command decided is
    # in the task, and is older than `before`: otherwise the caller would not ask.
    older = [
        each
        for each in waiting
        if before is None or each["queued_at"] < before or each["author"].startswith("@")
    ]
    await issue_changes.withdraw_state(tx, older)
    return len(older) < len(waiting)


async def needs_change(tx: Tx, issue: IssueRow, wanted: State) -> bool:
    """Whether a write must bring the issue to this state, by the mirror and what is under way."""
    if issue["state"] != wanted:
        return True
    target = writes.on_issue(issue["repository_id"], issue["number"])
    found = await issue_changes.state_changes(tx, issue["installation_id"], target)
    last = _last_in_effect(found)
    if last is None or state_of(last) == wanted:
        return False
    # The webhook of a write that was sent may not be here yet.
    return last["state"] != "sent" or (last["finished_at"] or 0) + SKEW > issue["updated_at"]


def _last_in_effect(found: list[WriteRow]) -> WriteRow | None:
    """The write that gives the issue its state in the end. `found`: newest first."""
    queued = [each for each in found if each["state"] == "queued"]
    if queued:
        return queued[0]
    return max(found, key=lambda each: (each["sending_at"] or 0, each["seq"]), default=None)


async def cause(tx: Tx, issue: IssueRow, at: int) -> WriteRow | None:
    """The write of ours that gave the issue its state at this time. None: somebody else did."""
    target = writes.on_issue(issue["repository_id"], issue["number"])
    found = await issue_changes.state_changes(tx, issue["installation_id"], target)
    begun = [each for each in found if each["sending_at"] is not None]
    mine = [each for each in begun if state_of(each) == issue["state"] and _may_be_at(each, at)]
    for write in mine:
        undone = any(
            state_of(each) != issue["state"]
            and (each["sending_at"] or 0) > (write["sending_at"] or 0)
            and each["state"] == "sent"
            and (each["finished_at"] or 0) < at
            for each in begun
        )
        if not undone:
            return write
    return None


def _may_be_at(write: WriteRow, at: int) -> bool:
    """Whether the write took effect at GitHub's time `at`, which has whole seconds."""
    ended = write["finished_at"] if write["state"] == "sent" else None
    begins = (write["sending_at"] or 0) - SKEW
    return begins <= at + SECOND and (ended is None or at <= ended + SKEW)


async def was_undone(tx: Tx, task: FullTask, issue: IssueRow) -> bool:
    """Whether somebody undid what a write did, before the mirror saw it.

    Then the issue is newer than the write that carried out the task's last decision.
    """
    target = writes.on_issue(issue["repository_id"], issue["number"])
    found = await issue_changes.state_changes(tx, issue["installation_id"], target)
    last = _last_in_effect(found)
    decided_at = task["retried_at" if issue["state"] == "closed" else "ended_at"]
    return (
        last is not None
        and last["state"] == "sent"
        and state_of(last) != issue["state"]
        and (last["finished_at"] or 0) < issue["updated_at"]
        and decided_at is not None
        and decided_at <= last["queued_at"]
    )


async def is_superseded(
    tx: Tx, task: FullTask, issue: IssueRow, at: int, by: WriteRow | None
) -> bool:
    """Whether a later decision stands against the issue's change of state at this time.

    `by`: the write of ours that made the change.
    """
    decided_at = task["retried_at" if issue["state"] == "closed" else "ended_at"] or 0
    if by is None:
        return at + SECOND <= decided_at
    found = await issue_changes.state_changes(tx, issue["installation_id"], by["target"])
    return decided_at > by["queued_at"] or any(each["seq"] > by["seq"] for each in found)


async def follow(tx: Tx, task: FullTask, *, at: int | None = None) -> None:
    """Bring the issue in line with its task, unless a write that does so is under way.

    `at`: when the mirror's state is from, if a superseded change has just brought it.
    """
    wanted, number = wanted_state(task), task["number"]
    if wanted is None or number is None:
        return
    here = (tx, task["installation_id"])
    issue = await stored_issues.issue(*here, task["repository_id"], number)
    if issue is None or issue["deleted"]:
        return
    target = writes.on_issue(task["repository_id"], number)
    found = await issue_changes.state_changes(*here, target)
    coming = [
        each
        for each in found
        if each["state"] in writes.LIVE or (at is not None and (each["finished_at"] or 0) > at)
    ]
    last = _last_in_effect(coming)
    if (state_of(last) if last else issue["state"]) == wanted:
        return
    await _queue(tx, task, wanted)


async def close_new(tx: Tx, task: FullTask) -> None:
    """Close the issue of a task that ended before GitHub created it."""
    await _queue(tx, task, "closed")


async def _queue(tx: Tx, task: FullTask, state: State) -> None:
    number, where = task["number"] or 0, task["repository_id"]
    reason = REASONS.get(task["state"], "not_planned") if state == "closed" else "reopened"
    await writes.queue(
        tx,
        task["installation_id"],
        kind=issue_changes.KIND,
        repository_id=where,
        target=writes.on_issue(where, number),
        arguments={"number": number, "state": state, "state_reason": reason},
        author=BOT,
        lane=writes.PEOPLE,
    )
