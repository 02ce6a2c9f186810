"""What reaches an agent beside what it asked for: steering, in the middle of its run.

What is told once is noted when the agent calls again, since only then its answer has arrived; the
same call again may be a retry of one whose answer was lost, and is told the same.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.agents import presence
from bot.identity.actors import Actor
from bot.kernel.operation import Notice
from bot.tasks import lifecycle
from bot.times import SECOND
from store import events
from store.agents import agents
from store.engine.transaction import Row, Tx
from store.messages import due_notices, mailbox
from store.mirror import mirror_rows
from store.outbox import writes
from store.tasks import tasks
from store.tasks.tasks import FullTask

# For how long after it happened, and how much at once.
LATELY = 24 * 3600 * SECOND
MOST = 5
# The same call, so often: an agent that asks nothing else has heard it by then.
MOST_TIMES = 3
LONGEST = 300


@dataclass(frozen=True)
class Asker:
    tx: Tx
    actor: Actor
    now: int

    @property
    def here(self) -> tuple[Tx, int]:
        return self.tx, self.actor.installation_id

    @property
    def agent(self) -> tuple[Tx, int, str]:
        return self.tx, self.actor.installation_id, self.actor.name


Find: TypeAlias = Callable[[Asker], Awaitable[list[Notice]]]
Told: TypeAlias = Callable[[Tx, int, str, list[str]], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """`told` notes that the agent knows; without it the notice comes for as long as it is so."""

    name: str
    find: Find
    told: Told | None = None


async def _paused(asker: Asker) -> list[Notice]:
    row = await agents.get(*asker.agent)
    if row is None or row["paused_at"] is None:
        return []
    return [_notice("paused", asker.actor.name, presence.paused_error(row).message)]


async def _lost(asker: Asker) -> list[Notice]:
    rows = await due_notices.lost(*asker.agent, asker.now - LATELY, MOST)
    return [await _one_lost(asker, row) for row in rows]


async def _one_lost(asker: Asker, lease: Row) -> Notice:
    name, task = await _task(asker, lease["task_id"])
    now = ""
    if task is not None:
        fence = f" (fence {task['fence']})" if task["holder"] else ""
        now = f" {task['holder'] or 'Nobody'} holds it now{fence}."
    how = "ran out" if lease["state"] == "expired" else "ended"
    why = "" if lease["state"] == "expired" else f": {lease['ended_why']}"
    stop = "Stop working on it."
    if lease["state"] != "completed":
        stop = "Stop working on it; what you queued and has not gone out is dropped."
    said = f"Your lease on {name} (fence {lease['fence']}) {how}{why}.{now} {stop}"
    return _notice("lease_lost", name, said, key=lease["id"])


async def _held_back(asker: Asker) -> list[Notice]:
    """One of them: as long as they last they would leave no room for anything else."""
    held = await due_notices.tasks_on_hold(*asker.agent, MOST)
    if not held:
        return []
    name, task = await _task(asker, held[0])
    more = f" So are {len(held) - 1} more at least of what you hold." if len(held) > 1 else ""
    return [_notice("hold", name, _on_hold(name, task) + more)]


def _on_hold(name: str, task: FullTask | None) -> str:
    by = (task and task["held_by"]) or "A person"
    why = f": {task['held_why']}" if task and task["held_why"] else ""
    return f"{by} put {name} on hold{why}. You keep your lease; wait for the hold to end."


async def _ending(asker: Asker) -> list[Notice]:
    # Of the first: any call renews all.
    rows = await due_notices.ending(*asker.agent, asker.now, 1)
    return [await _one_ending(asker, row) for row in rows]


async def _one_ending(asker: Asker, lease: Row) -> Notice:
    name, _ = await _task(asker, lease["task_id"])
    left = max(0, lease["expires_at"] - asker.now) // SECOND
    said = f"Your lease on {name} ends in {left} s. Each call of yours renews it: call more often."
    return _notice("lease_ending", name, said)


async def _answered(asker: Asker) -> list[Notice]:
    answered = await due_notices.answered_tasks(*asker.agent, MOST)
    return [await _one_answered(asker, task_id) for task_id in answered]


async def _one_answered(asker: Asker, task_id: str) -> Notice:
    name, _ = await _task(asker, task_id)
    event = await events.newest(*asker.here, task_id, "task.answered")
    who = event["actor"] if event else "Somebody"
    said = f"{who} answered your question on {name}: github_get_thread has it. Go on."
    return _notice("answered", name, said, key=task_id)


async def _urgent(asker: Asker) -> list[Notice]:
    return [
        _notice(
            "message",
            row["id"],
            f"A message of high priority from {row['sender']} waits: get_messages.",
            key=row["id"],
        )
        for row in await mailbox.urgent(*asker.agent, MOST)
    ]


async def _failed(asker: Asker) -> list[Notice]:
    return [
        _notice("write_failed", row["id"], await _one_failed(asker, row), key=row["id"])
        for row in await writes.refusals(*asker.agent, asker.now - LATELY, MOST)
    ]


async def _one_failed(asker: Asker, write: Row) -> str:
    where = await mirror_rows.repository_by_id(*asker.here, write["repository_id"])
    number = write["arguments"].get("number")
    on = f" on {where['full_name']}{f'#{number}' if number else ''}" if where else ""
    return f"Your {write['kind']}{on}: {write['error']['message']}"


async def _told_failed(tx: Tx, installation_id: int, _agent_id: str, ids: list[str]) -> None:
    await writes.mark_notified(tx, installation_id, ids)


# The most urgent first.
KINDS = {
    each.name: each
    for each in (
        Kind("paused", _paused),
        Kind("lease_lost", _lost, due_notices.mark_lost_notified),
        Kind("hold", _held_back),
        Kind("lease_ending", _ending),
        Kind("answered", _answered, due_notices.mark_answered_notified),
        Kind("message", _urgent, mailbox.mark_notified),
        Kind("write_failed", _failed, _told_failed),
    )
}


def _notice(kind: str, subject: str, message: str, key: str = "") -> Notice:
    return Notice(kind=kind, subject=subject, message=message[:LONGEST], key=key)


async def _task(asker: Asker, task_id: str) -> tuple[str, FullTask | None]:
    """As it may be named: its id, where its repository is not to be seen now."""
    task = await tasks.visible(*asker.here, task_id)
    return (lifecycle.name(task) if task else task_id), task


async def of(tx: Tx, actor: Actor, now: int) -> list[Notice]:
    """What the agent should know, the most urgent first."""
    if actor.is_person:
        return []
    asker = Asker(tx, actor, now)
    found: list[Notice] = []
    for kind in await due_notices.which(*asker.agent, now, now - LATELY):
        if len(found) < MOST:
            found += await KINDS[kind].find(asker)
    return found[:MOST]


@dataclass(frozen=True)
class Handed:
    """What was told by the last answer, and by which call: its digest, how often in a row."""

    call: str
    once: Sequence[Notice]
    times: int = 1

    def again(self, call: str) -> bool:
        """Whether this may be that call once more."""
        return call == self.call and self.times < MOST_TIMES


def handed(found: Sequence[Notice], call: str, before: Handed | None) -> Handed | None:
    """What to remember of an answer; None: it tells nothing that is told once."""
    once = [each for each in found if KINDS[each.kind].told]
    if not once:
        return None
    return Handed(call, once, before.times + 1 if before and before.call == call else 1)


async def told(tx: Tx, actor: Actor, once: Sequence[Notice]) -> None:
    """The agent knows."""
    for kind in KINDS.values():
        ids = [each.key for each in once if each.kind == kind.name]
        if ids and kind.told:
            await kind.told(tx, actor.installation_id, actor.name, ids)
