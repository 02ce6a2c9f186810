"""Messages between agents. Receipts hold the state of a message for each reader."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Row, Tx
from store.messages import receipts
from store.tables.messages import MessageRow

COLUMNS = (
    "installation_id",
    "id",
    "seq",
    "thread_id",
    "sender",
    "recipient",
    "task_id",
    "priority",
    "body",
    "sent_at",
    "expires_at",
    "on_card",
    "asked_in",
)


class SendingAgent(TypedDict):
    id: str
    left_at: int | None


class Listener(TypedDict):
    id: str
    role: str
    capabilities: list[str]


class CardMessage(TypedDict):
    """The columns of a message that the card shows."""

    id: str
    sender: str
    recipient: str
    body: str
    sent_at: int


async def lock_sender(tx: Tx, installation_id: int, agent_id: str) -> SendingAgent | None:
    """Lock the agent that sends, so that it sends one message at a time, and return it."""
    q = "SELECT id, left_at FROM agents WHERE installation_id = :i AND id = :a FOR UPDATE"
    return await tx.one(q, i=installation_id, a=agent_id)


async def listeners(tx: Tx, installation_id: int) -> list[Listener]:
    """Every agent that has not left."""
    q = (
        "SELECT id, role, capabilities FROM agents WHERE installation_id = :i "
        "AND left_at IS NULL ORDER BY id"
    )
    rows = await tx.all(q, i=installation_id)
    return [row | {"capabilities": json_text.value(row["capabilities"])} for row in rows]


async def sent_nth(tx: Tx, installation_id: int, who: str, nth: int) -> int:
    """When the sender sent its `nth` last message; 0 if there were not so many."""
    q = (
        "SELECT sent_at FROM messages WHERE installation_id = :i AND sender = :who "
        "ORDER BY sent_at DESC LIMIT 1 OFFSET :n"
    )
    row = await tx.one(q, i=installation_id, who=who, n=nth - 1)
    return int(row["sent_at"]) if row else 0


async def sent_since(tx: Tx, installation_id: int, who: str, since: int) -> tuple[int, int]:
    """How many messages the sender sent since then, and when it sent the last one."""
    row = await tx.one(
        "SELECT COUNT(*) AS n, MAX(sent_at) AS last FROM messages "
        "WHERE installation_id = :i AND sender = :who AND sent_at > :since",
        i=installation_id,
        who=who,
        since=since,
    )
    return (int(row["n"]), int(row["last"] or 0)) if row else (0, 0)


async def send(tx: Tx, installation_id: int, row: Row, recipients: Sequence[str]) -> None:
    """Store the message and a receipt for each recipient."""
    row = {"installation_id": installation_id, "seq": row["sent_at"], **row}
    await tx.run(sql.insert("messages", COLUMNS), **row)
    receipt = {
        "installation_id": installation_id,
        "message_id": row["id"],
        "state": "pending",
        "priority": row["priority"],
        "seq": row["seq"],
        "expires_at": row["expires_at"],
    }
    statement = sql.insert("receipts", receipts.COLUMNS)
    await tx.many(statement, [receipt | {"agent_id": each} for each in recipients])


async def get(
    tx: Tx, installation_id: int, message_id: str, *, lock: bool = False
) -> MessageRow | None:
    q = "SELECT * FROM messages WHERE installation_id = :i AND id = :m"
    return await tx.one(f"{q} FOR UPDATE" if lock else q, i=installation_id, m=message_id)


async def several(tx: Tx, installation_id: int, ids: Sequence[str]) -> list[MessageRow]:
    """These messages, in the order of `ids`."""
    q = "SELECT * FROM messages WHERE installation_id = :i AND id IN :ids"
    found = {row["id"]: row for row in await tx.all(q, i=installation_id, ids=list(ids))}
    return [found[each] for each in ids if each in found]


async def delete(tx: Tx, installation_id: int, message_id: str) -> None:
    """Delete the text for everybody, and the receipts of those who have not read it."""
    now = await tx.now()
    await tx.run(
        "UPDATE messages SET deleted_at = :now, body = '' WHERE installation_id = :i AND id = :m",
        now=now,
        i=installation_id,
        m=message_id,
    )
    await tx.run(
        "UPDATE receipts SET state = 'deleted', ended_at = :now WHERE installation_id = :i "
        "AND message_id = :m AND state IN ('pending', 'delivered', 'dead')",
        now=now,
        i=installation_id,
        m=message_id,
    )


async def sent_by(
    tx: Tx, installation_id: int, who: str, before: str, limit: int
) -> list[MessageRow]:
    """The messages that an agent or a person sent, newest first."""
    return await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'messages', 'ix_messages_sender')} "
        "WHERE installation_id = :i AND sender = :who AND id < :before "
        "ORDER BY sent_at DESC, id DESC LIMIT :n",
        i=installation_id,
        who=who,
        before=before,
        n=limit,
    )


async def is_participant(tx: Tx, installation_id: int, thread_id: str, who: str) -> bool:
    """Whether `who` sent or received a message of the thread."""
    q = (
        "SELECT 1 AS yes FROM messages m LEFT JOIN receipts r "
        "ON r.installation_id = m.installation_id AND r.agent_id = :who AND r.message_id = m.id "
        "WHERE m.installation_id = :i AND m.thread_id = :t "
        "AND (m.sender = :who OR r.message_id IS NOT NULL) LIMIT 1"
    )
    return await tx.one(q, i=installation_id, t=thread_id, who=who) is not None


async def thread(
    tx: Tx, installation_id: int, thread_id: str, before: str, limit: int
) -> list[MessageRow]:
    return await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'messages', 'ix_messages_thread')} "
        "WHERE installation_id = :i AND thread_id = :t AND id < :before "
        "ORDER BY seq DESC, id DESC LIMIT :n",
        i=installation_id,
        t=thread_id,
        before=before,
        n=limit,
    )


async def for_next_holder(
    tx: Tx, installation_id: int, task_id: str, limit: int
) -> list[MessageRow]:
    """The newest messages about a task, oldest first, without deleted ones.

    Only those by or to who holds or held it, or to a group: everybody, a role or a capability.
    """
    holders = "(SELECT l.holder FROM leases l WHERE l.installation_id = :i AND l.task_id = :t)"
    q = (
        "SELECT * FROM messages WHERE installation_id = :i AND task_id = :t "
        "AND deleted_at IS NULL AND (recipient = 'everybody' OR INSTR(recipient, ':') > 0 "
        f"OR recipient IN {holders} OR sender IN {holders}) ORDER BY seq DESC LIMIT :n"
    )
    return (await tx.all(q, i=installation_id, t=task_id, n=limit))[::-1]


async def about_task(tx: Tx, installation_id: int, task_id: str, limit: int) -> list[MessageRow]:
    """The newest messages about a task, the newest first, also those that were withdrawn."""
    return await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'messages', 'ix_messages_task')} "
        "WHERE installation_id = :i AND task_id = :t ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        t=task_id,
        n=limit,
    )


async def on_card(tx: Tx, installation_id: int, task_id: str, limit: int = 3) -> list[CardMessage]:
    """The newest messages for the task's card, oldest first, without deleted and expired ones."""
    q = (
        "SELECT id, sender, recipient, body, sent_at FROM messages WHERE installation_id = :i "
        "AND task_id = :t AND on_card = 1 AND deleted_at IS NULL "
        "AND (expires_at IS NULL OR expires_at > :now) ORDER BY seq DESC LIMIT :n"
    )
    rows = await tx.all(q, i=installation_id, t=task_id, now=await tx.now(), n=limit)
    return rows[::-1]
