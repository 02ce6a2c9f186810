"""What happens to a task: each step writes its event and the card with its own transaction."""

import json
from collections.abc import Sequence
from typing import Any

from bot.errors import Refused
from bot.identity.actors import BOT
from bot.repository import repository_settings
from bot.tasks import publishing
from bot.tasks.states import LEGAL, OPEN
from store import events
from store.agents import agents
from store.engine import sequences
from store.engine.transaction import Row, Tx
from store.mirror import mirror_rows, relations
from store.outbox import writes
from store.tables.tasks import LeaseRow, TaskRow, TaskState
from store.tasks import leases, tasks
from store.tasks.tasks import FullTask

PROGRESS = "task.progress"
# What is not shown on the card at once: progress, a quarter of an hour after the last edit; a pull
# request, with what is reported next, for that comes soon.
CALM = {PROGRESS: {"every": 900_000_000}, "task.pull": {"delay": 120_000_000}}
# What neither card nor board shows: a new task comes to the board with its first claim.
UNSHOWN = frozenset({"task.created", "task.changed"})
# How a lease ended, so far as that is counted of its holder.
COUNTED = frozenset({"completed", "failed", "expired", "released"})
# Whom a task is reserved for may be dead: after so long anybody may have it.
RESERVED_FOR = 24 * 3600 * 1_000_000
RESERVED = ("assigned_to", "assigned_by", "assigned_at")
HELD = ("held_by", "held_why")


async def record(tx: Tx, task: FullTask, kind: str, actor: str, **data: object) -> None:
    """A step of the task: its event, its audit row, and what people see of it on GitHub."""
    installation_id = task["installation_id"]
    where = task["repository_id"]
    await events.append(tx, installation_id, kind, task["id"], actor, data, repository_id=where)
    done = {"at": await tx.now(), "actor": actor, "operation": kind, "subject": task["id"]}
    sequences.append(tx, "audit", installation_id, done | {"data": json.dumps(data)})
    if kind in UNSHOWN:
        return
    # What a person did goes first; the rest has its turn beside each agent's writes.
    lane = writes.PEOPLE if actor.startswith("@") else writes.AGENTS
    await publishing.show(tx, installation_id, task["id"], lane=lane, **CALM.get(kind, {}))
    if kind not in CALM:
        await publishing.show_on_board(tx, installation_id, task["id"], lane)
        await _show_on_parent(tx, task)


async def woken(tx: Tx, task: TaskRow, why: str) -> None:
    """Nothing keeps it waiting any more: for those who wait for work. Its card says nothing new."""
    i, where = task["installation_id"], task["repository_id"]
    data = {"why": why}
    await events.append(tx, i, "task.ready", task["id"], BOT, data, repository_id=where)


async def show_soon(tx: Tx, installation_id: int, task_id: str) -> None:
    """Its card as it is now, when that is not urgent."""
    await publishing.show(tx, installation_id, task_id, **CALM[PROGRESS])


async def _show_on_parent(tx: Tx, task: FullTask) -> None:
    """A parent's card tells how far its sub-issues are; that is not urgent."""
    here = (tx, task["installation_id"])
    parents = await relations.targets(*here, "parent", task["issue_id"] or 0)
    for each in parents:
        parent = await tasks.of_issue(*here, each["mirrored_id"]) if each["mirrored_id"] else None
        if parent is not None:
            await show_soon(*here, parent["id"])


async def claim(
    tx: Tx, task: FullTask, holder: str, lease_s: int | None, paths: Sequence[str] = ()
) -> Row | None:
    """The new lease, or None when somebody was quicker or the task is not to be had."""
    lease = await leases.grant(tx, task["installation_id"], task["id"], holder, lease_s, paths)
    if lease:
        await leases.mark_notified(tx, task["installation_id"], task["id"], holder)
        await record(tx, task, "task.claimed", holder, fence=lease["fence"], lease=lease["id"])
    return lease


async def end_lease(tx: Tx, task: FullTask, how: str, why: str, to: TaskState, by: str) -> bool:
    """End the task's live lease, if it has one; whether it had."""
    lease = await _lease(tx, task)
    told = by == task["holder"]
    if lease is None or not await leases.end(tx, lease, how, why, to, told=told):
        return False
    came_to = "failed" if to == "failed" else how
    if came_to in COUNTED:
        await agents.count(tx, task["installation_id"], lease["holder"], came_to)
    return True


async def reserve(tx: Tx, task: FullTask, agent_id: str, actor: str) -> None:
    """For an agent alone, without a lease. Raise Refused."""
    state: TaskState = task["state"]
    if state not in ("pending", "assigned"):
        raise illegal(task, "assigned")
    now = await tx.now()
    given = {"assigned_to": agent_id, "assigned_by": actor, "assigned_at": now}
    await tasks.change(tx, task["installation_id"], task["id"], state="assigned", **given)
    await record(tx, task, "task.assigned", actor, to=agent_id)


async def free(tx: Tx, task: FullTask, actor: str, why: str) -> None:
    """A reservation ends, and anybody may claim the task."""
    if task["state"] != "assigned":
        return
    none = dict.fromkeys(RESERVED)
    await tasks.change(tx, task["installation_id"], task["id"], state="pending", **none)
    await record(tx, task, "task.unassigned", actor, to=task["assigned_to"], why=why)


async def hold(tx: Tx, task: FullTask, actor: str, why: str) -> None:
    """Nobody claims it, and who has it waits: their lease does not run out meanwhile."""
    held = {"held": 1, "held_by": actor, "held_why": why[:500]}
    await tasks.change(tx, task["installation_id"], task["id"], **held)
    await _park(tx, task)
    await record(tx, task, "task.held", actor, why=why)


async def resume(tx: Tx, task: FullTask, actor: str) -> None:
    """The hold is over; the time of a lease starts anew."""
    none = {"held": 0, **dict.fromkeys(HELD)}
    await tasks.change(tx, task["installation_id"], task["id"], **none)
    await _unpark(tx, {**task, "held": 0})
    tx.rings.add("outbox")
    await record(tx, task, "task.resumed", actor)


async def ask(tx: Tx, task: FullTask, question: str, actor: str) -> None:
    """Its holder asks people, and keeps the task without end until one answers."""
    now = await tx.now()
    here = (tx, task["installation_id"], task["id"])
    await tasks.change(*here, question=question, asked_at=now)
    await _park(tx, task)
    await record(tx, task, "task.asked", actor)


async def answered(tx: Tx, task: FullTask, actor: str) -> None:
    """Somebody said something: the holder's time starts anew."""
    none: dict[str, None] = {"question": None}
    if actor == task["holder"]:
        none["asked_at"] = None  # otherwise it stays, until a notice told its holder
    await tasks.change(tx, task["installation_id"], task["id"], **none)
    await _unpark(tx, {**task, "question": None})
    await record(tx, task, "task.answered", actor)


async def unasked(tx: Tx, task: FullTask, why: str) -> None:
    """Nobody gets to see the question: there is no answer to wait for."""
    none: Row = {"question": None, "asked_at": None}
    await tasks.change(tx, task["installation_id"], task["id"], **none)
    await _unpark(tx, {**task, "question": None})
    await record(tx, task, "task.unasked", BOT, why=why)


async def _lease(tx: Tx, task: FullTask) -> LeaseRow | None:
    where = task["installation_id"]
    return await leases.get(tx, where, task["lease_id"]) if task["lease_id"] else None


async def _park(tx: Tx, task: FullTask) -> None:
    if lease := await _lease(tx, task):
        await leases.park(tx, lease)


async def _unpark(tx: Tx, task: FullTask) -> None:
    """Unless something else is awaited."""
    awaited = task["held"] or task["question"] or task["state"] == "in_review"
    if not awaited and (lease := await _lease(tx, task)):
        await leases.unpark(tx, lease)


async def release(tx: Tx, task: FullTask, how: str, why: str, actor: str) -> None:
    """Back to pending: how is released (by its holder), revoked or expired."""
    if not await end_lease(tx, task, how, why, "pending", actor):
        return
    if how == "expired":
        await tasks.change(tx, task["installation_id"], task["id"], failures=task["failures"] + 1)
    await record(tx, task, f"task.{how}", actor, holder=task["holder"], why=why)


async def move(tx: Tx, task: FullTask, to: TaskState, actor: str, why: str = "") -> None:
    """Take the task to another state. Raise Refused when it cannot go there."""
    state: TaskState = task["state"]
    if to == state:
        return
    legal = LEGAL[state]
    if to not in legal:
        raise illegal(task, to)
    # What the holder queued may go out after an end that they worked towards, and no other.
    how = "revoked" if to == "cancelled" and actor != task["holder"] else "completed"
    said = _said(to, actor, why)
    if to in OPEN or not await end_lease(tx, task, how, said, to, actor):
        await tasks.move(tx, task["installation_id"], task["id"], state, to)
    beside = _besides(task, to)
    if actor not in (BOT, task["holder"]) and (to not in OPEN or state not in OPEN):
        beside["decision"] = said[:600]
    await tasks.change(tx, task["installation_id"], task["id"], **beside)
    if task["held"]:
        tx.rings.add("outbox")
    await _fit_lease(tx, task, to)
    await record(tx, task, f"task.{to}", actor, why=why)


def _said(to: TaskState, actor: str, why: str) -> str:
    """Of an end, or a begin anew, for whom it concerns."""
    if actor == BOT:
        return f"the task is {to}, because {why}"
    what = "retried" if to == "pending" else to
    return f"{what} by {actor}{': ' if why else ''}{why}"


def _besides(task: FullTask, to: TaskState) -> dict[str, Any]:
    """What else of a task is not as before in its new state."""
    new: dict[str, Any] = dict.fromkeys(RESERVED)
    if to not in OPEN:
        new |= {"held": 0, **dict.fromkeys(HELD)}
    if to == "failed":
        new["failures"] = task["failures"] + 1
    if task["state"] not in OPEN:
        new |= {"progress": 0, "result": None}
    if task["state"] == "completed":  # its work is in: the next does not go on with that
        new |= {"branch": None, "pull_number": None}
    return new


def illegal(task: FullTask, to: str) -> Refused:
    legal = LEGAL[task["state"]]
    return Refused(
        "illegal_transition",
        f"{name(task)} is {task['state']} and cannot become {to}; it can become "
        f"{', '.join(legal)}.",
        state=task["state"],
        legal=list(legal),
    )


async def _fit_lease(tx: Tx, task: FullTask, to: TaskState) -> None:
    """A review parks the lease; going back to work starts its time anew."""
    if to == "in_review":
        await _park(tx, task)
    elif to == "in_progress":
        await _unpark(tx, {**task, "state": to})


async def expire(tx: Tx, lease: LeaseRow) -> bool:
    """Free what a dead agent holds, unless it showed itself; False while another is at the task."""
    # Whoever claims comes by here: they must not wait for each other, and be late for their own.
    if await tasks.being_changed(tx, lease["installation_id"], lease["task_id"]):
        return False
    task = await tasks.get(tx, lease["installation_id"], lease["task_id"])
    now = await leases.get(tx, lease["installation_id"], lease["id"])
    if now is None or now["state"] != "held" or not leases.ran_out(now, await tx.now()):
        return True  # it ended, was renewed, is parked, or a person's
    if task is not None and task["lease_id"] == lease["id"]:
        await release(tx, task, "expired", "the lease ran out", BOT)
    else:
        await leases.end(tx, lease, "expired", "the lease ran out", "pending")
    return True


async def lapse(tx: Tx, which: Row) -> bool:
    """A reservation that nobody took up in time ends."""
    task = await tasks.locked(tx, which["installation_id"], which["id"])
    if task is None or (task["assigned_at"] or 0) > await tx.now() - RESERVED_FOR:
        return True
    await free(tx, task, BOT, "it was not claimed in time")
    return True


def name(task: FullTask) -> str:
    """`owner/repo#12`, or the id while GitHub has not numbered it."""
    return f"{task['full_name']}#{task['number']}" if task["number"] else str(task["id"])


async def find(tx: Tx, installation_id: int, ref: str) -> FullTask:
    """A task by `owner/repo#12` or its id. Raise Refused."""
    full_name, sign, number = ref.rpartition("#")
    label = repository_settings.DEFAULTS.task_label
    if sign and number.isdecimal() and len(number) < 16:
        repository = await mirror_rows.repository(tx, installation_id, full_name)
        if repository is None:
            raise unknown_repository(full_name)
        label = (await repository_settings.of(tx, installation_id, repository["id"])).task_label
        task = await tasks.by_number(tx, installation_id, repository["id"], int(number))
    else:
        task = await tasks.visible(tx, installation_id, ref)
    if task is None:
        raise Refused(
            "unknown_task",
            f"There is no task {ref!r}. Write owner/repo#12 or a task's id; an issue becomes a "
            f"task by the label {label}. list_tasks shows those there are.",
        )
    return task


def unknown_repository(full_name: str) -> Refused:
    if not full_name:
        return Refused("unknown_repository", "`#3` alone names no repository: write owner/repo#3.")
    return Refused(
        "unknown_repository",
        f"The repository {full_name!r} is not known here. Write owner/repo; the App must be "
        "installed on it.",
    )
