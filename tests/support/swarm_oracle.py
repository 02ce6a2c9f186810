"""Compares the answers that agents got with the rows of the database."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from store.engine.transaction import Row, Store, Tx

# How a lease ends, as the task's events name it.
ENDS = frozenset(
    f"task.{each}" for each in ("released", "expired", "revoked", "completed", "failed")
)
# Each appends one row of the audit, however often it is repeated with the same key.
AUDITED = (
    "register_agent",
    "claim_task",
    "update_task_status",
    "release_task",
    "send_message",
)


@dataclass(frozen=True)
class AnsweredCall:
    """A call that was answered. `began`, `ended`: seconds of one clock."""

    agent: str
    operation: str
    given: dict[str, Any]
    answer: dict[str, Any]
    began: float
    ended: float


@dataclass(frozen=True)
class StoredRows:
    """The rows of an installation, those with a `seq` in its order."""

    tasks: Sequence[Row]
    leases: Sequence[Row]
    events: Sequence[Row]
    audit: Sequence[Row]
    messages: Sequence[Row]
    receipts: Sequence[Row]


async def stored_rows(store: Store, installation_id: int) -> StoredRows:
    async def work(tx: Tx) -> StoredRows:
        async def rows(table: str, order: str) -> list[dict[str, Any]]:
            q = f"SELECT * FROM {table} WHERE installation_id = :i ORDER BY {order}"
            return await tx.all(q, i=installation_id)

        return StoredRows(
            tasks=await rows("tasks", "id"),
            leases=await rows("leases", "task_id, fence"),
            events=await rows("events", "seq"),
            audit=await rows("audit", "seq"),
            messages=await rows("messages", "seq"),
            receipts=await rows("receipts", "seq"),
        )

    return await store.read(work)


def violations(stored: StoredRows, calls: Sequence[AnsweredCall], seen: Sequence[int]) -> list[str]:
    """A sentence for each broken promise. `seen`: the events that a cursor returned."""
    return [
        *held_twice(stored.events),
        *wrong_leases(stored),
        *open_tasks(stored.tasks),
        *lost_or_doubled(stored, calls),
        *lost_claims(stored, calls),
        *lost_messages(stored, calls),
        *delivered_after_read(calls),
        *gaps(stored.events, seen),
    ]


def held_twice(events: Sequence[Row]) -> Iterator[str]:
    """From a claim to the end of its lease nobody else holds the task; each fence is higher."""
    holders: dict[str, str] = {}
    fences: dict[str, int] = defaultdict(int)
    for each in events:
        task, kind, actor = each["subject"], each["kind"], each["actor"]
        if kind == "task.claimed":
            fence = json.loads(each["data"])["fence"]
            if task in holders:
                yield f"{task}: claimed by {actor} while {holders[task]} held it"
            if fence <= fences[task]:
                yield f"{task}: fence {fence} after fence {fences[task]}"
            holders[task], fences[task] = actor, fence
        elif kind in ENDS:
            holder = holders.pop(task, None)
            if holder is None:
                yield f"{task}: {kind} by {actor} while nobody held it"
            elif kind in ("task.completed", "task.released") and holder != actor:
                yield f"{task}: {kind} by {actor} while {holder} held it"
    for task, holder in holders.items():
        yield f"{task}: still held by {holder}"


def wrong_leases(stored: StoredRows) -> Iterator[str]:
    """A lease for each claim, ended once; a task's fence counts its leases."""
    claims = Counter(
        (each["subject"], each["actor"], json.loads(each["data"])["fence"])
        for each in stored.events
        if each["kind"] == "task.claimed"
    )
    leases = Counter((each["task_id"], each["holder"], each["fence"]) for each in stored.leases)
    for lease in (claims - leases) + (leases - claims):
        yield f"{lease}: {claims[lease]} claims, {leases[lease]} leases"
    for each in stored.leases:
        if each["ended_at"] is None:
            yield f"{each['id']}: never ended"
    counted = Counter(each["task_id"] for each in stored.leases)
    for each in stored.tasks:
        if each["fence"] != counted[each["id"]]:
            yield f"{each['id']}: fence {each['fence']} after {counted[each['id']]} leases"


def open_tasks(tasks: Sequence[Row]) -> Iterator[str]:
    for each in tasks:
        if each["state"] != "completed" or each["holder"] is not None:
            yield f"{each['id']}: {each['state']}, held by {each['holder']}"


def lost_or_doubled(stored: StoredRows, calls: Sequence[AnsweredCall]) -> Iterator[str]:
    """Each acknowledged call was executed once, and nothing else was executed."""
    told = Counter((each.agent, each.operation) for each in calls if each.operation in AUDITED)
    done = Counter(
        (each["actor"], each["operation"])
        for each in stored.audit
        if each["operation"] in AUDITED and each["outcome"] == "done"
    )
    for what in (told - done) + (done - told):
        yield f"{what}: acknowledged {told[what]} times, done {done[what]} times"
    reports = Counter((each.agent, step(each)) for each in calls if step(each))
    steps = Counter((each["actor"], each["kind"]) for each in stored.events)
    for what, n in reports.items():
        if steps[what] != n:
            yield f"{what}: acknowledged {n} times, {steps[what]} events"


def step(call: AnsweredCall) -> str:
    """The kind of event that a call must have appended."""
    if call.operation == "release_task":
        return "task.released"
    if call.operation == "update_task_status":
        completed = call.given["status"] == "completed"
        return "task.completed" if completed else "task.progress"
    return "task.claimed" if call.operation == "claim_task" else ""


def lost_claims(stored: StoredRows, calls: Sequence[AnsweredCall]) -> Iterator[str]:
    leases = {(each["id"], each["holder"], each["fence"]) for each in stored.leases}
    for each in calls:
        if each.operation == "claim_task":
            lease = (each.answer["lease_id"], each.agent, each.answer["fence"])
            if lease not in leases:
                yield f"{lease}: acknowledged, and there is no such lease"


def lost_messages(stored: StoredRows, calls: Sequence[AnsweredCall]) -> Iterator[str]:
    """Each acknowledged message was read by its recipients, and there is no other message."""
    read = {(r["message_id"], r["agent_id"]) for r in stored.receipts if r["state"] == "read"}
    sent = [each.answer for each in calls if each.operation == "send_message"]
    for each in sent:
        for recipient in each["recipients"]:
            if (each["message_id"], recipient) not in read:
                yield f"{each['message_id']}: acknowledged, and never read by {recipient}"
    found = {each["id"] for each in stored.messages} - {each["message_id"] for each in sent}
    yield from (f"{each}: a message that nobody sent" for each in found)


def delivered_after_read(calls: Sequence[AnsweredCall]) -> Iterator[str]:
    """A message does not come again in a call that began after its mark was acknowledged."""
    marked = {
        (each.agent, each.given["message_id"]): each.ended
        for each in calls
        if each.operation == "mark_message_read"
    }
    for each in calls:
        if each.operation == "get_messages":
            for message in each.answer["messages"]:
                if each.began > marked.get((each.agent, message["id"]), each.began):
                    yield f"{message['id']}: came to {each.agent} after it was marked as read"


def gaps(events: Sequence[Row], seen: Sequence[int]) -> Iterator[str]:
    """A cursor that follows the order returns each event once."""
    there = [each["seq"] for each in events]
    if list(seen) != there:
        yield f"a cursor missed the events {sorted(set(there) - set(seen))[:20]}"
