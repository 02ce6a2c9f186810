"""Notices: what an agent should know now, attached to the answer of whichever operation it calls.

Some notices come once. Hubbub marks them as received when the agent calls again, because only then
it is sure that the answer arrived. A repeat of the same call may be a retry after a lost answer, so
it gets the same notices again.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.agents import presence
from bot.identity.actors import Actor
from bot.kernel.operation import Notice
from bot.kernel.sentences import with_full_stop
from bot.tasks import lifecycle, lookup
from bot.times import SECOND, span
from store import events
from store.agents import agents
from store.engine.transaction import Tx
from store.messages import due_notices, mailbox
from store.mirror import stored_repositories
from store.outbox import write_history
from store.tables.columns import Json
from store.tables.outbox import WriteRow
from store.tables.tasks import UNKNOWN, LeaseRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# A notice about something older than this is not sent.
LATELY = 24 * 3600 * SECOND
# Notices in one answer.
MOST = 5
# Leases that are looked through for one notice.
MOST_LEASES = 20
# After so many repeats of the same call, its notices count as received.
MOST_TIMES = 3
LONGEST = 300


@dataclass(frozen=True)
class Asker:
    tx: Tx
    actor: Actor
    now: int
    # Tasks that the call or its answer names: the agent knows of them.
    named: Collection[str] = ()

    @property
    def here(self) -> tuple[Tx, int]:
        return self.tx, self.actor.installation_id

    @property
    def agent(self) -> tuple[Tx, int, str]:
        return self.tx, self.actor.installation_id, self.actor.name


Find: TypeAlias = Callable[[Asker], Awaitable[list[Notice]]]
MarkNotified: TypeAlias = Callable[[Tx, int, str, list[str]], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """A kind without `mark_notified` is repeated in every answer as long as it is true."""

    name: str
    find: Find
    mark_notified: MarkNotified | None = None


async def _pause(asker: Asker) -> list[Notice]:
    row = await agents.get(*asker.agent)
    if row is None or row["paused_at"] is None:
        return []
    return [_notice("paused", asker.actor.name, presence.paused_error(row, asker.now).message)]


async def _lost_leases(asker: Asker) -> list[Notice]:
    rows = await due_notices.lost_leases(*asker.agent, asker.now - LATELY, MOST)
    return [await _lost_lease(asker, row) for row in rows]


async def _lost_lease(asker: Asker, lease: LeaseRow) -> Notice:
    name, task = await _task(asker, lease["task_id"])
    end = "expired" if lease["state"] == "expired" else f"ended: {lease['ended_why']}"
    now = ""
    if task is not None and task["holder"]:
        now = f" {task['holder']} holds the task now (fence {task['fence']})."
    elif task is not None:
        now = " Nobody holds the task now."
        if task["stuck_at"]:
            now += with_full_stop(f" It is on hold, because {task['held_why']}")
    stop = "Stop working on it."
    if lease["state"] != "completed":
        stop += " Writes that were still queued are dropped."
    message = with_full_stop(f"Your lease on {name} (fence {lease['fence']}) {end}")
    message += f"{now} {stop}"
    return _notice("lease_lost", name, message, key=lease["id"])


async def _unconfirmed_leases(asker: Asker) -> list[Notice]:
    """One notice for all tasks of which the agent may not know that it holds them."""
    # An agent that claimed a task by its name asks again itself. Only another task misleads it.
    found = await _leases_without_use(asker, also_named=bool(asker.named))
    return [_notice("also_held", found[0][0], _also_held(found))] if found else []


async def _leases_without_use(asker: Asker, *, also_named: bool) -> list[tuple[str, LeaseRow]]:
    """Leases whose fence the agent has not used, with their tasks' names."""
    found = []
    for lease in await due_notices.unconfirmed_leases(*asker.agent, MOST_LEASES):
        may_mislead = also_named or lease["known"] == UNKNOWN
        if not may_mislead or lease["task_id"] in asker.named:
            continue
        name, _ = await _task(asker, lease["task_id"])
        if name.lower() not in asker.named:
            found.append((name, lease))
    return found


async def unconfirmed_leases_of(
    tx: Tx, actor: Actor, now: int, named: Collection[str]
) -> list[str]:
    """The ids of leases on these tasks of which the agent may not know."""
    asker = Asker(tx, actor, now)
    return [
        lease["id"]
        for lease in await due_notices.unconfirmed_leases(*asker.agent, MOST_LEASES)
        if lease["task_id"] in named or (await _task(asker, lease["task_id"]))[0].lower() in named
    ]


def _also_held(found: Sequence[tuple[str, LeaseRow]]) -> str:
    which = ", ".join(f"{name} (fence {lease['fence']})" for name, lease in found[:2])
    more = ", and others" if len(found) > 2 else ""
    return (
        f"You also hold {which}{more}. Maybe the answer to the claim did not reach you: you have "
        "not used the fence yet. Work on it with its fence, or call release_task."
    )


async def also_held(tx: Tx, actor: Actor, now: int) -> str:
    """A sentence to append: what the agent holds, maybe without knowing it. Empty: nothing."""
    found = await _leases_without_use(Asker(tx, actor, now), also_named=True)
    return f" {_also_held(found)}" if found else ""


async def _on_hold(asker: Asker) -> list[Notice]:
    """One notice for all holds. A notice for each would leave no room for others."""
    held = await due_notices.tasks_on_hold(*asker.agent, MOST)
    if not held:
        return []
    name, task = await _task(asker, held[0])
    more = ""
    if others := len(held) - 1:
        which = "1 more of your tasks is" if others == 1 else f"{others} more of your tasks are"
        more = f" At least {which} on hold."
    return [_notice("hold", name, _hold_message(name, task) + more)]


async def _stuck_tasks(asker: Asker) -> list[Notice]:
    """One notice for all, to a tech-lead, who can decide."""
    stuck = await due_notices.stuck_tasks(*asker.here, asker.now - LATELY, MOST)
    name, task = await _task(asker, stuck[0])
    why = lifecycle.why_stuck(task) if task else "leases on it expired or failed"
    remedy = "`hold` false, or cancel it" if task is None or task["held"] else "`state` pending"
    more = f" The same holds for {len(stuck) - 1} or more others." if len(stuck) > 1 else ""
    message = (
        f"{why} ({name}), so no agent gets it until you or a person decide. Call change_task with "
        f"{remedy}.{more}"
    )
    return [_notice("stuck", name, message)]


def _hold_message(name: str, task: FullTask | None) -> str:
    by = (task and task["held_by"]) or "A person"
    why = f": {task['held_why']}" if task and task["held_why"] else ""
    what = with_full_stop(f"{by} put {name} on hold{why}")
    return f"{what} You keep your lease. Wait until the hold ends."


async def _ending_leases(asker: Asker) -> list[Notice]:
    # Only the lease that ends first, because any call renews all leases.
    rows = await due_notices.ending_leases(*asker.agent, asker.now, 1)
    return [await _ending_lease(asker, row) for row in rows]


async def _ending_lease(asker: Asker, lease: LeaseRow) -> Notice:
    name, _ = await _task(asker, lease["task_id"])
    left = span((lease["expires_at"] or 0) - asker.now)
    message = (
        f"Your lease on {name} ends in {left}. Any valid call renews it. Make a call before then."
    )
    return _notice("lease_ending", name, message)


async def _answers(asker: Asker) -> list[Notice]:
    answered = await due_notices.answered_tasks(*asker.agent, MOST)
    return [await _answer(asker, task_id) for task_id in answered]


async def _answer(asker: Asker, task_id: str) -> Notice:
    name, _ = await _task(asker, task_id)
    event = await events.newest(*asker.here, task_id, "task.answered")
    who = event["actor"] if event else "Somebody"
    message = (
        f"{who} answered your question on {name}. Read the answer with github_get_thread, then "
        "continue."
    )
    return _notice("answered", name, message, key=task_id)


async def _urgent(asker: Asker) -> list[Notice]:
    return [
        _notice(
            "message",
            row["id"],
            f"{row['sender']} sent you a message of high priority. Read it with get_messages.",
            key=row["id"],
        )
        for row in await mailbox.urgent(*asker.agent, MOST)
    ]


async def _failed_writes(asker: Asker) -> list[Notice]:
    return [
        _notice("write_failed", row["id"], await _failure_text(asker, row), key=row["id"])
        for row in await write_history.refusals(*asker.agent, asker.now - LATELY, MOST)
    ]


async def _failure_text(asker: Asker, write: WriteRow) -> str:
    where = await stored_repositories.repository_by_id(*asker.here, write["repository_id"])
    number = write["arguments"].get("number")
    on = f" to {where['full_name']}{f'#{number}' if number else ''}" if where else ""
    error: Json = write["error"]
    return f"Your write ({write['kind']}){on} failed: {error['message']}"


async def _mark_failed_notified(
    tx: Tx, installation_id: int, _agent_id: str, ids: list[str]
) -> None:
    await write_history.mark_notified(tx, installation_id, ids)


# From the most urgent to the least.
KINDS = {
    each.name: each
    for each in (
        Kind("paused", _pause),
        Kind("lease_lost", _lost_leases, due_notices.mark_lost_notified),
        Kind("also_held", _unconfirmed_leases),
        Kind("hold", _on_hold),
        Kind("lease_ending", _ending_leases),
        Kind("answered", _answers, due_notices.mark_answered_notified),
        Kind("message", _urgent, mailbox.mark_notified),
        Kind("write_failed", _failed_writes, _mark_failed_notified),
        Kind("stuck", _stuck_tasks),
    )
}


def _notice(kind: str, subject: str, message: str, key: str = "") -> Notice:
    return Notice(kind=kind, subject=subject, message=message[:LONGEST], key=key)


async def _task(asker: Asker, task_id: str) -> tuple[str, FullTask | None]:
    """The task with its name. If the agent cannot see its repository now, the name is its id."""
    task = await tasks.visible(*asker.here, task_id)
    return (lookup.name(task) if task else task_id), task


async def current(tx: Tx, actor: Actor, now: int, named: Collection[str] = ()) -> list[Notice]:
    """The notices for an agent, most urgent first. People get none.

    `named`: the tasks that the call or its answer names, by id and by name in small letters.
    """
    if actor.is_person:
        return []
    asker = Asker(tx, actor, now, named)
    found: list[Notice] = []
    for kind in await due_notices.due_kinds(
        *asker.agent, now, now - LATELY, leads=actor.may("tech-lead")
    ):
        if len(found) < MOST:
            found += await KINDS[kind].find(asker)
    return found[:MOST]


@dataclass(frozen=True)
class Unconfirmed:
    """Notices that come once, in an answer that may be lost. `call` is the digest of the call."""

    call: str
    notices: Sequence[Notice]
    # How many times in a row the agent made this call.
    times: int = 1

    def may_be_retried_by(self, call: str) -> bool:
        return call == self.call and self.times < MOST_TIMES


def to_confirm(
    found: Sequence[Notice], call: str, before: Unconfirmed | None
) -> Unconfirmed | None:
    """What to confirm at the next call; None if the answer has no notice that comes once."""
    once = [each for each in found if KINDS[each.kind].mark_notified]
    if not once:
        return None
    return Unconfirmed(call, once, before.times + 1 if before and before.call == call else 1)


async def mark_notified(tx: Tx, actor: Actor, received: Sequence[Notice]) -> None:
    for kind in KINDS.values():
        ids = [each.key for each in received if each.kind == kind.name]
        if ids and kind.mark_notified:
            await kind.mark_notified(tx, actor.installation_id, actor.name, ids)
