"""The steps of a task. Each records its event and queues the card in the step's transaction."""

from collections.abc import Sequence
from typing import Any

from bot.audit import contents
from bot.errors import Refused
from bot.identity.actors import BOT
from bot.kernel.notice_rules import ENDED_BY_CLAIM
from bot.kernel.sentences import shorten
from bot.pulls import checks
from bot.repository import repository_settings
from bot.tasks import (
    board_sync,
    lookup,
    plan_notices,
    publishing,
    task_decisions,
    task_events,
)
from bot.tasks.priorities import PRIORITIES
from bot.tasks.sizes import SIZES
from bot.tasks.states import CLAIMABLE, LEGAL, OPEN
from store import events
from store.agents import agents
from store.audit import records
from store.engine import json_text, sequences
from store.engine.transaction import Row, Tx
from store.messages import stored_notices
from store.mirror import relations
from store.outbox import write_cancellation, writes
from store.protocols import endpoint_deliveries
from store.tables.tasks import UNKNOWN, LeaseRow, TaskRow, TaskState
from store.tasks import leases, pull_tasks, ready, tasks
from store.tasks.claim_state import ClaimState
from store.tasks.tasks import FullTask, TaskKey
from store.workflows import plan_proposals

# These steps change who has the task, or which pull request.
CHANGES_CHECKS = frozenset(
    f"task.{step}"
    for step in (
        *("created", "pull", "released", "revoked", "expired"),
        *("completed", "failed", "cancelled", "pending"),
    )
)
# A workflow may go on after these, in the same transaction.
SETTLED_AFTER = frozenset({"task.completed", "task.failed", "task.cancelled", "task.pending"})
PROGRESS = "task.progress"
PULL = "task.pull"
# What an event of the end of a task has, to undo it.
BEFORE = "progress_before"
# The holder's next report follows soon after a pull request, and both fit in one edit of the card.
PULL_DELAY = 120_000_000
CREATED = "task.created"
ASSIGNED = "task.assigned"
# These events change only the board.
NOT_ON_CARD = frozenset({CREATED, "task.changed"})
# The outcomes of leases that are counted for each agent.
COUNTED_OUTCOMES = frozenset({"completed", "failed", "expired", "released"})
# A reservation ends after this time, because its agent may be dead.
RESERVED_FOR = 24 * 3600 * 1_000_000
# For columns with numbers: the names of the values.
NAMES: dict[str, Sequence[str]] = {"priority": PRIORITIES, "size": SIZES}
# A change of these may make the task ready for others.
MATCHED = frozenset({"size", "capabilities"})
LONGEST_DECISION = 600
RESERVED = ("assigned_to", "assigned_by", "assigned_at", "assigned_until")
HELD = ("held_by", "held_why", "stuck_at")


async def record(tx: Tx, task: FullTask, kind: str, actor: str, **data: object) -> None:
    """Record a step of the task: its event and audit row. Queue its card and place on the board.

    `task` is the row before the step.
    """
    await _append(tx, task, kind, actor, data)
    await plan_notices.tell_below(tx, task, kind, actor, data.get("why"))
    if kind in SETTLED_AFTER:
        tx.changed_tasks.add((task["installation_id"], task["id"]))
    if kind == PROGRESS:
        await publishing.show_report(tx, task, lane=_lane(actor))
        return
    now = await tasks.get(tx, task["installation_id"], task["id"])
    if now is not None:
        await _show_step(tx, task, now, kind, _lane(actor))


async def _show_step(tx: Tx, before: FullTask, now: FullTask, kind: str, lane: int) -> None:
    if kind in CHANGES_CHECKS:
        await _refresh_checks(tx, before, now, lane)
    if kind == CREATED:
        await board_sync.show_new(tx, now)
    elif kind in NOT_ON_CARD:
        await board_sync.catch_up(tx, now, wait=publishing.SOON, lane=lane)
    elif kind == PULL:
        await publishing.show(tx, now, lane=lane, delay=PULL_DELAY)
    elif kind == ASSIGNED and now["assigned_until"] is not None:
        # Its claim follows soon, and both fit in one edit of the card.
        await publishing.show(tx, now, lane=lane, delay=PULL_DELAY)
        await board_sync.catch_up(tx, now, wait=PULL_DELAY, lane=lane)
    else:
        await publishing.show(tx, now, lane=lane)
        if now["state"] == before["state"]:
            await board_sync.catch_up(tx, now, wait=publishing.SOON, lane=lane)
        else:
            await board_sync.show(tx, now, lane)
        await _show_on_parent(tx, now)


async def _refresh_checks(tx: Tx, before: FullTask, now: FullTask, lane: int) -> None:
    """Compute the checks on pull requests again that the step may concern."""
    ended = before["lease_id"] if before["lease_id"] != now["lease_id"] else None
    concern = await pull_tasks.concern_of(tx, now, ended)
    if concern["has_pulls"]:
        await checks.refresh_task(tx, now, lane)
    await checks.refresh_paths(tx, now, concern["paths"], lane)


async def _append(tx: Tx, task: FullTask, kind: str, actor: str, data: Row) -> None:
    await task_events.append(tx, task, kind, actor, data)
    shown = contents.visible(data)
    await records.append(tx, task["installation_id"], actor, kind, task["id"], data=shown)


def _lane(actor: str) -> int:
    """The effect of what a person did goes out first."""
    return writes.PEOPLE if actor.startswith("@") else writes.AGENTS


async def record_change(tx: Tx, task: FullTask, actor: str, changed: Row) -> None:
    """Record new values of the task's columns, as people call them."""
    await record(tx, task, "task.changed", actor, **{k: _as_word(k, v) for k, v in changed.items()})
    if changed.keys() & MATCHED:
        await announce_if_ready(tx, task["installation_id"], task["id"], "it needs something else")


def _as_word(column: str, value: Any) -> object:
    return NAMES[column][value] if column in NAMES else value


async def announce_ready(tx: Tx, task: TaskRow, why: str) -> None:
    """Tell agents that wait for work that the task can be claimed now. Its card does not change.

    Its actor is always Hubbub: one may have made a task ready oneself, and wait for a ready one.
    """
    i, where = task["installation_id"], task["repository_id"]
    tx.changed_tasks.add((i, task["id"]))
    data = {"why": why} | ({"to": task["assigned_to"]} if task["assigned_to"] else {})
    await events.append(tx, i, "task.ready", task["id"], BOT, data, repository_id=where)


async def announce_if_ready(
    tx: Tx, installation_id: int, task_id: str, why: str
) -> FullTask | None:
    """After whatever may have made the task ready: announce it if somebody could claim it now.

    Return it then, as it is now.
    """
    task = await ready.claimable(tx, installation_id, task_id)
    if task is not None:
        await announce_ready(tx, task, why)
    return task


async def _show_on_parent(tx: Tx, task: FullTask) -> None:
    """Update the parent's card, which counts finished sub-issues. That is not urgent."""
    if task["issue_id"] is None:
        return
    here = (tx, task["installation_id"])
    parents = await relations.targets(*here, "parent", task["issue_id"])
    for each in parents:
        parent = await tasks.of_issue(*here, each["mirrored_id"]) if each["mirrored_id"] else None
        if parent is not None:
            await publishing.show_report(tx, parent)


async def claim(
    tx: Tx,
    task: FullTask,
    state: ClaimState,
    holder: str,
    lease_s: int | None,
    paths: Sequence[str] = (),
    known: int = UNKNOWN,
) -> FullTask | None:
    """Grant a lease: the task as it is now. None if somebody was faster or it cannot be claimed.

    `task` is locked, and `state` was read afterwards.
    """
    fence = (task["fence"] or state["first_fence"]) + 1
    claimed = await leases.grant(tx, task, fence, holder, lease_s, paths, known)
    if claimed is None:
        return None
    here, lease_id = (tx, task["installation_id"]), claimed["lease_id"]
    if fence > 1:
        dropped = lost_lease_error(lease_id or "", "belongs to an agent whose writes are held")
        await write_cancellation.cancel_held_back(*here, task["id"], dropped)
    if state["has_notices"]:
        kinds, last = ENDED_BY_CLAIM, sequences.UNNUMBERED
        await stored_notices.mark_seen(*here, holder, kinds, task["id"], last)
    data = {"fence": fence, "lease": lease_id}
    await _append(tx, task, "task.claimed", holder, data)
    await _show_claim(tx, claimed, state, _lane(holder))
    if state["has_pulls"]:
        await checks.refresh_task(tx, claimed, _lane(holder))
    if paths:
        await checks.refresh_paths(tx, claimed, paths, _lane(holder))
    return claimed


async def _show_claim(tx: Tx, task: FullTask, state: ClaimState, lane: int) -> None:
    """Show a claim as `record` shows a step, but read nothing again that is in `state`."""
    await publishing.show(tx, task, lane=lane, has_edits=bool(state["has_edits"]))
    settings = repository_settings.parse_or_default(state["settings"])
    await board_sync.show(tx, task, lane, settings)
    if state["has_relations"]:
        await _show_on_parent(tx, task)


async def end_lease(tx: Tx, task: FullTask, how: str, why: str, to: TaskState) -> bool:
    """End the task's live lease. Return whether it had one."""
    here, lease_id = (tx, task["installation_id"]), task["lease_id"]
    if lease_id is None or not await leases.end(*here, task["id"], lease_id, how, why, to):
        return False
    if how not in leases.PROPER:
        await endpoint_deliveries.queue_cancel(*here, task["holder"] or "", task["id"])
        dropped = lost_lease_error(lease_id, how)
        await write_cancellation.cancel_of_lease(*here, task["id"], lease_id, dropped)
    await plan_proposals.withdraw(*here, task["id"], f"the lease {how}")
    outcome = "failed" if to == "failed" else how
    if outcome in COUNTED_OUTCOMES:
        await agents.count_lease_end(*here, task["holder"] or "", outcome)
    return True


def lost_lease_error(lease_id: str, how: str) -> dict[str, Any]:
    """The error of a write whose lease must not write any more."""
    return {
        "code": "stale_fence",
        "message": f"Not sent: the lease it was written under {how} before its turn came.",
        "details": {"lease_id": lease_id},
    }


async def reserve(
    tx: Tx, task: FullTask, agent_id: str, actor: str, until: int | None = None
) -> None:
    """Reserve the task for one agent, without a lease: for a day, or `until`. Raise Refused."""
    state: TaskState = task["state"]
    if state not in CLAIMABLE:
        raise illegal_transition(task, "assigned")
    given = {
        "assigned_to": agent_id,
        "assigned_by": actor,
        "assigned_at": await tx.now(),
        "assigned_until": until,
    }
    await tasks.change(tx, task["installation_id"], task["id"], state="assigned", **given)
    await record(tx, task, ASSIGNED, actor, to=agent_id)
    if (before := task["assigned_to"]) and before != agent_id:
        await endpoint_deliveries.queue_cancel(tx, task["installation_id"], before, task["id"])
    if before != agent_id:
        here = (tx, task["installation_id"])
        await endpoint_deliveries.queue(*here, [agent_id], "task", task["id"])


async def end_reservation(tx: Tx, task: FullTask, actor: str, why: str) -> None:
    """End a reservation, so that any agent can claim the task."""
    if task["state"] != "assigned":
        return
    none = dict.fromkeys(RESERVED)
    await tasks.change(tx, task["installation_id"], task["id"], state="pending", **none)
    await record(tx, task, "task.unassigned", actor, to=task["assigned_to"], why=why)
    which = (task["assigned_to"] or "", task["id"])
    await endpoint_deliveries.queue_cancel(tx, task["installation_id"], *which)
    await announce_if_ready(tx, task["installation_id"], task["id"], "its reservation ended")


async def hold(tx: Tx, task: FullTask, actor: str, why: str) -> None:
    """Put the task on hold: nobody can claim it, and its lease does not expire."""
    held = {"held": 1, "held_by": actor, "held_why": why[:500]}
    await tasks.change(tx, task["installation_id"], task["id"], **held)
    await _park(tx, task)
    await record(tx, task, "task.held", actor, why=why)


async def resume(tx: Tx, task: FullTask, actor: str) -> None:
    """End a hold. The lease gets its full time again."""
    none = {"held": 0, **dict.fromkeys(HELD)}
    await tasks.change(tx, task["installation_id"], task["id"], **none)
    await _unpark(tx, {**task, "held": 0})
    tx.rings.add("outbox")
    await record(tx, task, "task.resumed", actor)
    await announce_if_ready(tx, task["installation_id"], task["id"], "its hold ended")


async def ask_people(
    tx: Tx, task: FullTask, question: str, actor: str, people: Sequence[str] = ()
) -> None:
    """Record the holder's question. The lease does not expire until somebody answers.

    `people`: whom the question mentions.
    """
    now = await tx.now()
    here = (tx, task["installation_id"], task["id"])
    await tasks.change(*here, question=question, asked_at=now)
    await _park(tx, task)
    of = {"asked": [f"@{each}" for each in people]} if people else {}
    await record(tx, task, "task.asked", actor, question=shorten(question), **of)


async def record_answer(
    tx: Tx, task: FullTask, actor: str, text: str = "", comment_id: int | None = None
) -> None:
    """End the wait for an answer. The lease gets its full time again."""
    none: Row = {"question": None, "asked_at": None}
    await tasks.change(tx, task["installation_id"], task["id"], **none)
    await _unpark(tx, {**task, "question": None})
    said: dict[str, Any] = {"text": shorten(text)} if text else {}
    said |= {} if comment_id is None else {"comment_id": comment_id}
    await record(tx, task, "task.answered", actor, **said)


async def withdraw_question(tx: Tx, task: FullTask, why: str) -> None:
    """End the wait, because the question could not be posted."""
    none: Row = {"question": None, "asked_at": None}
    await tasks.change(tx, task["installation_id"], task["id"], **none)
    await _unpark(tx, {**task, "question": None})
    await record(tx, task, "task.unasked", BOT, why=why)


async def await_plan(tx: Tx, task: FullTask, actor: str, **data: object) -> None:
    """Record the plan that the holder proposed. The lease does not expire until it is decided."""
    await _park(tx, task)
    await record(tx, task, "task.plan_proposed", actor, **data)


async def record_plan(tx: Tx, task: FullTask, kind: str, actor: str, **data: object) -> None:
    """Record what became of the plan. The lease gets its full time again."""
    await _unpark(tx, task)
    await record(tx, task, kind, actor, **data)


async def _lease(tx: Tx, task: FullTask) -> LeaseRow | None:
    where = task["installation_id"]
    return await leases.get(tx, where, task["lease_id"]) if task["lease_id"] else None


async def _park(tx: Tx, task: FullTask) -> None:
    if lease := await _lease(tx, task):
        await leases.park(tx, lease)


async def _unpark(tx: Tx, task: FullTask) -> None:
    """Let the lease's time run, unless the task still waits for something."""
    awaited = task["held"] or task["question"] or task["state"] == "in_review"
    if awaited or (lease := await _lease(tx, task)) is None:
        return
    if await plan_proposals.waiting(tx, task["installation_id"], task["id"]) is None:
        await leases.unpark(tx, lease)


async def release(
    tx: Tx,
    task: FullTask,
    how: str,
    why: str,
    actor: str,
    note: str | None = None,
    *,
    has_failed: bool = False,
    keeps_review: bool = False,
) -> FullTask | None:
    """Make the task pending. `how` is released (by its holder), revoked or expired.

    `note`: what the holder reads beside the reason, if somebody else ended its lease. `has_failed`:
    counts against the task as an expired lease does. `keeps_review`: a task in review stays there,
    with nobody as its holder. Return the task as it is now, if it is ready.
    """
    stays = keeps_review and task["state"] == "in_review"
    if not await end_lease(tx, task, how, why, "in_review" if stays else "pending"):
        return None
    has_failed = has_failed or how == "expired"
    if has_failed:
        await tasks.change(tx, task["installation_id"], task["id"], failures=task["failures"] + 1)
    if how == "revoked" and actor != BOT:
        taken = task_decisions.of_taking(task["holder"] or "", actor, note)
        here = (tx, task["installation_id"], task["id"])
        await tasks.change(*here, decision=taken[:LONGEST_DECISION])
    said = {"note": note} if note else {}
    await record(tx, task, f"task.{how}", actor, holder=task["holder"], why=why, **said)
    if has_failed:
        await _hold_if_stuck(tx, task["installation_id"], task["id"])
    return await announce_if_ready(tx, task["installation_id"], task["id"], why)


async def _hold_if_stuck(tx: Tx, installation_id: int, task_id: str) -> None:
    """Put a task on hold that nobody got done."""
    task = await tasks.get(tx, installation_id, task_id)
    if task is None or task["held"]:
        return
    if await _is_stuck_after(tx, task, task["failures"]):
        await tasks.change(tx, installation_id, task_id, stuck_at=await tx.now())
        await hold(tx, task, BOT, why_stuck(task))


async def _is_stuck_after(tx: Tx, task: FullTask, failures: int) -> bool:
    """Whether somebody must decide about the task, each time after so many failures."""
    settings = await repository_settings.of(tx, task["installation_id"], task["repository_id"])
    return failures % settings.max_failures == 0


def why_stuck(task: FullTask) -> str:
    return f"{task['failures']} leases on it expired or failed"


async def move(
    tx: Tx,
    task: FullTask,
    to: TaskState,
    actor: str,
    why: str = "",
    *,
    at: int | None = None,
    progress_before: int | None = None,
) -> None:
    """Take the task to another state. Raise Refused if the transition is not allowed.

    `at`: when this was decided, if not now. `progress_before`: what the same report changed.
    """
    state: TaskState = task["state"]
    if to == state:
        return
    legal = LEGAL[state]
    if to not in legal:
        raise illegal_transition(task, to)
    # The holder's queued writes still go out after an end that the holder worked towards.
    # A time-out also takes the task from its holder.
    taken = to == "cancelled" or (to == "failed" and actor == BOT)
    how = "revoked" if taken and actor != task["holder"] else "completed"
    why_ended = _end_reason(to, actor, why)
    if to in OPEN or not await end_lease(tx, task, how, why_ended, to):
        await tasks.move(tx, task["installation_id"], task["id"], state, to)
    changes = _other_changes(task, to) | await _work_to_drop(tx, task)
    if to not in OPEN:
        changes["ended_at"] = await tx.now() if at is None else at
    if to == "failed" and await _is_stuck_after(tx, task, changes["failures"]):
        changes["stuck_at"] = await tx.now()
    changes |= _decision(task, to, actor, why)
    await tasks.change(tx, task["installation_id"], task["id"], **changes)
    if task["held"]:
        tx.rings.add("outbox")
    await _fit_lease(tx, task, to)
    before = {} if progress_before is None else {BEFORE: progress_before}
    await record(tx, task, f"task.{to}", actor, why=why, **before)
    if to == "pending":
        await announce_if_ready(tx, task["installation_id"], task["id"], "it is pending again")


async def undo_end(tx: Tx, task: FullTask, actor: str) -> None:
    """Make a task pending that its holder completed or failed by mistake. Its work stays.

    What was reported with the end goes: the progress is again what it was before.
    """
    here, state = (tx, task["installation_id"]), task["state"]
    end = await events.newest(*here, task["id"], f"task.{state}")
    said = json_text.value(end["data"]) if end else {}
    before: dict[str, Any] = {"progress": said.get(BEFORE, task["progress"]), "result": None}
    if state == "failed":
        before |= {"failures": max(0, task["failures"] - 1), "stuck_at": None}
    await tasks.move(*here, task["id"], state, "pending")
    await tasks.change(*here, task["id"], **before)
    await record(tx, task, "task.pending", actor, why=f"it was {state} by mistake")


def _end_reason(to: TaskState, actor: str, why: str) -> str:
    """Who ended or retried the task and why, for its last holder."""
    if actor == BOT:
        return f"the task is {to}, because {why}"
    return task_decisions.of_move(to, actor, why)


def _decision(task: FullTask, to: TaskState, actor: str, why: str) -> Row:
    """The column with the last decision, if the move is one. A holder's end takes its place."""
    if to in OPEN and task["state"] in OPEN:
        return {}
    own = actor == task["holder"]
    return {"decision": None if own else task_decisions.of_move(to, actor, why)[:LONGEST_DECISION]}


def _other_changes(task: FullTask, to: TaskState) -> dict[str, Any]:
    """The columns that change with the state."""
    new: dict[str, Any] = dict.fromkeys(RESERVED)
    if to not in OPEN:
        new |= {"held": 0, **dict.fromkeys(HELD)}
    if to == "failed":
        new["failures"] = task["failures"] + 1
    if task["state"] not in OPEN:
        new |= {"progress": 0, "result": None, "stuck_at": None}
    return new


async def _work_to_drop(tx: Tx, task: FullTask) -> dict[str, Any]:
    """The columns of work that is over, because a retry of a completed task starts from nothing.

    An open pull request stays the task's, and its merge completes the task.
    """
    pull = await lookup.pull_request(tx, task) if task["state"] == "completed" else None
    is_over = pull is not None and pull["state"] != "open"
    return {"branch": None, "pull_number": None} if is_over else {}


def illegal_transition(task: FullTask, to: str) -> Refused:
    legal = LEGAL[task["state"]]
    return Refused(
        "illegal_transition",
        f"{lookup.name(task)} is {task['state']} and cannot become {to}. It can become "
        f"{' or '.join(legal)}.",
        state=task["state"],
        legal=list(legal),
    )


async def _fit_lease(tx: Tx, task: FullTask, to: TaskState) -> None:
    """Park the lease during a review. Afterwards it gets its full time again."""
    if to == "in_review":
        await _park(tx, task)
    elif to == "in_progress":
        await _unpark(tx, {**task, "state": to})


async def expire(tx: Tx, lease: LeaseRow) -> bool:
    """End an overdue lease. False if another transaction is changing the task now."""
    # Each claim expires overdue leases first. Claims must not wait for each other here.
    if await tasks.is_locked_elsewhere(tx, lease["installation_id"], lease["task_id"]):
        return False
    task = await tasks.get(tx, lease["installation_id"], lease["task_id"])
    now = await leases.get(tx, lease["installation_id"], lease["id"])
    if now is None or now["state"] != "held" or not leases.is_expired(now, await tx.now()):
        return True  # it ended, was renewed, is parked, or belongs to a person
    if task is not None and task["lease_id"] == lease["id"]:
        await release(tx, task, "expired", "the lease expired", BOT)
    else:
        which = (lease["installation_id"], lease["task_id"], lease["id"])
        await leases.end(tx, *which, "expired", "the lease expired", "pending")
    return True


async def expire_reservation(tx: Tx, which: TaskKey) -> bool:
    """End a reservation whose agent did not claim the task in time."""
    task = await tasks.lock(tx, which["installation_id"], which["id"])
    if task is None or reserved_until(task) > await tx.now():
        return True
    await end_reservation(tx, task, BOT, "the task was not claimed in time")
    return True


def reserved_until(task: TaskRow) -> int:
    """When the reservation of the task ends. 0 for a task without one."""
    if task["assigned_until"] is not None:
        return task["assigned_until"]
    return task["assigned_at"] + RESERVED_FOR if task["assigned_at"] else 0
