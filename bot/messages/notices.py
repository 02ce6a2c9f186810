"""Notices: what an agent should know now, attached to the answer of whichever operation it calls.

What happened is stored as rows, see `bot.kernel.notice_rules`. Other notices follow from the state
of the database. Some of these are true for a while, and `bot.dispatch.sent_notices` repeats them
only after some minutes.

A notice is marked as received when the agent calls again, because only then it is sure that the
answer arrived. A repeat of the same call may be a retry after a lost answer, so it gets the same
notices again.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.identity.actors import Actor
from bot.kernel.event_stream import reaches
from bot.kernel.notice_rules import LONGEST
from bot.kernel.operation import Notice
from bot.kernel.sentences import with_full_stop
from bot.tasks import lifecycle, lookup
from bot.times import SECOND, span
from store import events
from store.engine.transaction import Tx
from store.messages import due_notices, mailbox, stored_notices
from store.messages.stored_notices import Group
from store.mirror import stored_repositories
from store.outbox import write_history
from store.tables.columns import Json
from store.tables.messages import NoticeRow
from store.tables.outbox import WriteRow
from store.tables.tasks import UNKNOWN, LeaseRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# A notice about something older than this is not sent.
LATELY = 24 * 3600 * SECOND
# Notices in one answer.
MOST = 5
# Leases, messages or writes that are looked through for one notice.
MOST_ROWS = 20
# After so many repeats of the same call, its notices count as received.
MOST_TIMES = 2
# From the most urgent to the least.
URGENCY = (
    "paused",
    "unregistered",
    "lease_lost",
    "also_held",
    "hold",
    "completed",
    "lease_ending",
    "answered",
    "message",
    "review",
    "sent_back",
    "check_failed",
    "write_failed",
    "review_request",
    "assigned",
    "unassigned",
    "resumed",
    "hold_ended",
    "comment",
    "stuck",
)
# Several notices of one of these kinds on one task become one. Of the others the newest counts.
PLURALS = {"comment": "comments", "review": "reviews", "check_failed": "failed checks"}


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
MarkNotified: TypeAlias = Callable[[Tx, int, str, Notice], Awaitable[None]]


@dataclass(frozen=True)
class Source:
    """A source without `mark_notified` has its notices as long as they are true."""

    find: Find
    mark_notified: MarkNotified | None = None


async def _happenings(asker: Asker) -> list[Notice]:
    groups = await stored_notices.unseen(*asker.agent, asker.now - LATELY)
    groups.sort(key=lambda group: (_rank(group["kind"]), group["last"]))
    rows = await stored_notices.several(*asker.agent, [each["last"] for each in groups[:MOST]])
    newest = {row["seq"]: row for row in rows}
    found = [await _stored_notice(asker, each, newest[each["last"]]) for each in groups[:MOST]]
    return [each for each in found if each is not None]


async def _stored_notice(asker: Asker, group: Group, row: NoticeRow) -> Notice | None:
    """None if the agent may not see the repository now."""
    name, task = row["subject"], None
    if row["repository_id"] is not None:
        name, task = await _task(asker, row["subject"])
        if task is None or not reaches(asker.actor, task["repository_id"]):
            return None
    message = row["message"]
    if row["kind"] == "lease_lost" and task is not None:
        message += _state_after_loss(task)
    elif group["n"] > 1 and row["kind"] in PLURALS:
        message = f"{group['n']} {PLURALS[row['kind']]} on {name}. The newest: {message}"
    return _notice(row["kind"], name, message, key=f"{row['seq']} {row['subject']}")


def _state_after_loss(task: FullTask) -> str:
    if task["holder"]:
        return f" {task['holder']} holds the task now (fence {task['fence']})."
    if task["stuck_at"]:
        return with_full_stop(f" It is on hold, because {task['held_why']}")
    return " Nobody holds the task now."


async def _unconfirmed_leases(asker: Asker) -> list[Notice]:
    """One notice for all tasks of which the agent may not know that it holds them."""
    # An agent that claimed a task by its name asks again itself. Only another task misleads it.
    found = await _leases_without_use(asker, also_named=bool(asker.named))
    key = _key(lease["id"] for _, lease in found)
    return [_notice("also_held", found[0][0], _also_held(found), key)] if found else []


async def _leases_without_use(asker: Asker, *, also_named: bool) -> list[tuple[str, LeaseRow]]:
    """Leases whose fence the agent has not used, with their tasks' names."""
    found = []
    for lease in await due_notices.unconfirmed_leases(*asker.agent, MOST_ROWS):
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
        for lease in await due_notices.unconfirmed_leases(*asker.agent, MOST_ROWS)
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
    return [_notice("stuck", name, message, key=_key(stuck))]


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
    return _notice("lease_ending", name, message, key=f"{lease['id']} {lease['expires_at']}")


async def _messages(asker: Asker) -> list[Notice]:
    """One notice for all."""
    rows = await mailbox.messages_to_announce(*asker.agent, MOST_ROWS)
    if not rows:
        return []
    sender, high = rows[-1]["sender"], sum(row["priority"] == mailbox.HIGH for row in rows)
    urgent = " of high priority" if high else ""
    message = f"{sender} sent you a message{urgent}. Read it with get_messages."
    if len(rows) > 1:
        urgent = f", {high}{urgent}" if high else ""
        message = (
            f"{len(rows)} unread messages{urgent}, the newest by {sender}. Read them with "
            "get_messages."
        )
    return [_notice("message", rows[-1]["id"], message, key=_key(row["id"] for row in rows))]


async def _failed_writes(asker: Asker) -> list[Notice]:
    """One notice for all that failed for the same reason."""
    alike: dict[str, list[WriteRow]] = defaultdict(list)
    for row in await write_history.refusals(*asker.agent, asker.now - LATELY, MOST_ROWS):
        alike[(row["error"] or {}).get("code", "")].append(row)
    return [await _failure(asker, rows) for rows in list(alike.values())[:MOST]]


async def _failure(asker: Asker, rows: Sequence[WriteRow]) -> Notice:
    message = await _failure_text(asker, rows[-1])
    if len(rows) > 1:
        message = f"{len(rows)} of your writes failed; list_writes has them. The last: {message}"
    return _notice("write_failed", rows[-1]["id"], message, key=_key(row["id"] for row in rows))


def _key(ids: Iterable[str]) -> str:
    return " ".join(ids)


async def _failure_text(asker: Asker, write: WriteRow) -> str:
    where = await stored_repositories.repository_by_id(*asker.here, write["repository_id"])
    number = write["arguments"].get("number")
    on = f" to {where['full_name']}{f'#{number}' if number else ''}" if where else ""
    error: Json = write["error"]
    return f"Your write ({write['kind']}){on} failed: {error['message']}"


async def _mark_seen(tx: Tx, installation_id: int, agent_id: str, received: Notice) -> None:
    last, _, subject = received.key.partition(" ")
    here = (tx, installation_id, agent_id)
    await stored_notices.mark_seen(*here, [received.kind], subject, int(last))


async def _mark_announced(tx: Tx, installation_id: int, agent_id: str, received: Notice) -> None:
    await mailbox.mark_notified(tx, installation_id, agent_id, received.key.split())
    await _keep(tx, installation_id, agent_id, received)


async def _mark_failures(tx: Tx, installation_id: int, agent_id: str, received: Notice) -> None:
    await write_history.mark_notified(tx, installation_id, received.key.split())
    await _keep(tx, installation_id, agent_id, received)


async def _keep(tx: Tx, installation_id: int, agent_id: str, received: Notice) -> None:
    """Store a notice that the agent has seen, so that it can read it again."""
    row = {
        "agent_id": agent_id,
        "kind": received.kind,
        "subject": received.subject,
        "message": received.message,
        "repository_id": None,
        "seen_at": await tx.now(),
    }
    await stored_notices.add(tx, installation_id, [row])


# By the names of `due_notices.SIGNS`, which is also their kind, except for those stored.
SOURCES = {
    "stored": Source(_happenings, _mark_seen),
    "also_held": Source(_unconfirmed_leases),
    "lease_ending": Source(_ending_leases),
    "message": Source(_messages, _mark_announced),
    "write_failed": Source(_failed_writes, _mark_failures),
    "stuck": Source(_stuck_tasks),
}


def _source(kind: str) -> Source:
    return SOURCES.get(kind, SOURCES["stored"])


def _rank(kind: str) -> int:
    return URGENCY.index(kind)


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
        found += await SOURCES[kind].find(asker)
    return sorted(found, key=lambda each: _rank(each.kind))[:MOST]


async def past(tx: Tx, actor: Actor, limit: int) -> list[NoticeRow]:
    """The newest notices that the agent may see, with the names of their tasks as subjects."""
    here = (tx, actor.installation_id)
    rows = await stored_notices.newest(*here, actor.name, limit)
    about = [row for row in rows if row["repository_id"] is not None]
    names = await events.names(*here, {row["subject"] for row in about})
    visible = await events.visible(*here, {row["repository_id"] or 0 for row in about})
    return [
        {**row, "subject": names.get(row["subject"], row["subject"])}
        for row in rows
        if row["repository_id"] is None
        or (row["repository_id"] in visible and reaches(actor, row["repository_id"]))
    ]


@dataclass(frozen=True)
class Unconfirmed:
    """Notices in an answer that may be lost. `call` is the digest of the call."""

    call: str
    notices: Sequence[Notice]
    # How many times in a row the agent made this call.
    times: int = 1

    def may_be_retried_by(self, call: str) -> bool:
        return call == self.call and self.times < MOST_TIMES


def comes_once(notice: Notice) -> bool:
    """Whether a row remembers that the agent got it."""
    return _source(notice.kind).mark_notified is not None


def sent_again(found: Sequence[Notice], call: str, before: Unconfirmed | None) -> Unconfirmed:
    """What to confirm at the next call. `before`: what was sent with the answer before."""
    return Unconfirmed(call, found, before.times + 1 if before and before.call == call else 1)


async def mark_notified(tx: Tx, actor: Actor, received: Sequence[Notice]) -> None:
    here = (tx, actor.installation_id, actor.name)
    for each in received:
        if mark := _source(each.kind).mark_notified:
            await mark(*here, each)
    await stored_notices.drop_old(*here)
