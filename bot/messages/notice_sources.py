"""Where notices come from: what happened, and what is true in the database now."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.kernel.event_stream import reaches
from bot.kernel.operation import Notice
from bot.kernel.sentences import with_full_stop
from bot.messages import notice_parts, unconfirmed_claims
from bot.messages.notice_parts import LATELY, MOST, MOST_ROWS, Asker
from bot.tasks import lifecycle
from bot.times import span
from store.engine.transaction import Tx
from store.messages import due_notices, mailbox, stored_notices
from store.messages.stored_notices import Group, NewNotice
from store.mirror import stored_repositories
from store.outbox import write_history, writes
from store.tables.columns import Json
from store.tables.messages import NoticeRow
from store.tables.outbox import WriteRow
from store.tables.tasks import LeaseRow
from store.tasks.tasks import FullTask

# The subject of others is a task, if they belong to a repository.
ABOUT_REPOSITORY = {"board_stopped", "run_stopping", "run_ended"}
# Several notices of one of these kinds on one task become one. Of the others the newest counts.
PLURALS = {
    "comment": "comments",
    "review": "reviews",
    "changes_requested": "reviews that request changes",
}


Find: TypeAlias = Callable[[Asker], Awaitable[list[Notice]]]
MarkNotified: TypeAlias = Callable[[Tx, int, str, Notice], Awaitable[None]]


@dataclass(frozen=True)
class Source:
    """A source without `mark_notified` has its notices as long as they are true."""

    find: Find
    mark_notified: MarkNotified | None = None


async def _happenings(asker: Asker) -> list[Notice]:
    groups = await stored_notices.unseen(*asker.agent, asker.now - LATELY)
    groups.sort(key=lambda group: (notice_parts.rank(group["kind"]), group["last"]))
    rows = await stored_notices.several(*asker.agent, [each["last"] for each in groups[:MOST]])
    newest = {row["seq"]: row for row in rows}
    found = [await _stored_notice(asker, each, newest[each["last"]]) for each in groups[:MOST]]
    return [each for each in found if each is not None]


async def _stored_notice(asker: Asker, group: Group, row: NoticeRow) -> Notice | None:
    """None if the agent may not see the repository now."""
    name, task = row["subject"], None
    if row["kind"] in ABOUT_REPOSITORY:
        if not reaches(asker.actor, row["repository_id"]):
            return None
    elif row["repository_id"] is not None:
        name, task = await notice_parts.named_task(asker, row["subject"])
        if task is None or not reaches(asker.actor, task["repository_id"]):
            return None
    message = row["message"]
    if row["kind"] == "lease_lost" and task is not None:
        message += _state_after_loss(task)
    elif group["n"] > 1 and row["kind"] in PLURALS:
        message = f"{group['n']} {PLURALS[row['kind']]} on {name}. The newest: {message}"
    return notice_parts.notice(row["kind"], name, message, key=f"{row['seq']} {row['subject']}")


def _state_after_loss(task: FullTask) -> str:
    if task["holder"]:
        return f" {task['holder']} holds the task now (fence {task['fence']})."
    if task["stuck_at"]:
        return with_full_stop(f" It is on hold, because {task['held_why']}")
    return " Nobody holds the task now."


async def _stuck_tasks(asker: Asker) -> list[Notice]:
    """One notice for all, to a tech-lead, who can decide."""
    stuck = await due_notices.stuck_tasks(*asker.here, asker.now - LATELY, MOST, asker.reach)
    if not stuck:
        return []  # the call itself has decided about the task
    name, task = await notice_parts.named_task(asker, stuck[0])
    why = lifecycle.why_stuck(task) if task else "leases on it expired or failed"
    remedy = "`hold` false, or cancel it" if task is None or task["held"] else "`state` pending"
    more = f" The same holds for {len(stuck) - 1} or more others." if len(stuck) > 1 else ""
    message = (
        f"{why} ({name}), so no agent gets it until you or a person decide. Call change_task with "
        f"{remedy}.{more}"
    )
    return [notice_parts.notice("stuck", name, message, key=notice_parts.key_of(stuck))]


async def _ending_leases(asker: Asker) -> list[Notice]:
    # Only the lease that ends first, because any call renews all leases.
    rows = await due_notices.ending_leases(*asker.agent, asker.now, 1, asker.reach)
    return [await _ending_lease(asker, row) for row in rows]


async def _ending_lease(asker: Asker, lease: LeaseRow) -> Notice:
    name, _ = await notice_parts.named_task(asker, lease["task_id"])
    left = span((lease["expires_at"] or 0) - asker.now)
    message = (
        f"Your lease on {name} ends in {left}. Any valid call renews it. Make a call before then."
    )
    return notice_parts.notice(
        "lease_ending", name, message, key=f"{lease['id']} {lease['expires_at']}"
    )


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
    return [
        notice_parts.notice(
            "message", rows[-1]["id"], message, key=notice_parts.key_of(row["id"] for row in rows)
        )
    ]


async def _failed_writes(asker: Asker) -> list[Notice]:
    """One notice for all that failed for the same reason."""
    alike: dict[str, list[WriteRow]] = defaultdict(list)
    since = asker.now - LATELY
    for row in await write_history.refusals(*asker.agent, since, MOST_ROWS, asker.reach):
        alike[(row["error"] or {}).get("code", "")].append(row)
    return [await _failure(asker, rows) for rows in list(alike.values())[:MOST]]


async def _failure(asker: Asker, rows: Sequence[WriteRow]) -> Notice:
    message = await _failure_text(asker, rows[-1])
    if len(rows) > 1:
        message = f"{len(rows)} of your writes failed; list_writes has them. The last: {message}"
    key = notice_parts.key_of(row["id"] for row in rows)
    rest = "get_write has the rest."
    return notice_parts.notice("write_failed", rows[-1]["id"], message, key, rest)


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
    write = await writes.get(tx, installation_id, received.subject)
    # The text names the repository of that write.
    repository_id = write["repository_id"] if write else None
    await _keep(tx, installation_id, agent_id, received, repository_id)


async def _keep(
    tx: Tx,
    installation_id: int,
    agent_id: str,
    received: Notice,
    repository_id: int | None = None,
) -> None:
    """Store a notice that the agent has seen, so that it can read it again."""
    notice: NewNotice = {
        "agent_id": agent_id,
        "kind": received.kind,
        "subject": received.subject,
        "message": received.message,
        "repository_id": repository_id,
        "seen_at": await tx.now(),
        "text_kind": None,
        "text_id": None,
    }
    await stored_notices.add(tx, installation_id, notice)


# By the names of `due_notices.DUE_IF_EXISTS`, which is also their kind, except for those stored.
SOURCES = {
    "recorded": Source(_happenings, _mark_seen),
    "also_held": Source(unconfirmed_claims.find),
    "lease_ending": Source(_ending_leases),
    "message": Source(_messages, _mark_announced),
    "write_failed": Source(_failed_writes, _mark_failures),
    "stuck": Source(_stuck_tasks),
}


def source_of(kind: str) -> Source:
    return SOURCES.get(kind, SOURCES["recorded"])
