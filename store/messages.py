"""Messages between agents, and each recipient's receipt.

A receipt is pending, delivered (handed out, not marked read), read, dead or deleted. Its
`expires_at` is when it dies unless it is read; while it is in its reader's hands it does not die,
and its last hand-out ends its life.
"""

import json
from collections.abc import Sequence

from store import sql
from store.transaction import Row, Tx

# A message that was handed out and not marked read is handed out again after this.
VISIBILITY = 60_000_000
MOST_ATTEMPTS = 5
HIGH = 2

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
)
RECEIPT_COLUMNS = (
    "installation_id",
    "agent_id",
    "message_id",
    "state",
    "priority",
    "seq",
    "expires_at",
)
UNREAD = "state IN ('pending', 'delivered') AND (expires_at IS NULL OR expires_at > :now)"
MINE = "installation_id = :i AND agent_id = :a"
VISIBLE = f"{MINE} AND {UNREAD} AND visible_at <= :now"
# More names than this at once make a statement too long.
NAMES = 1000


async def sender(tx: Tx, installation_id: int, agent_id: str) -> Row | None:
    """The agent that is about to send; its sendings take turns on its row."""
    q = "SELECT id, left_at FROM agents WHERE installation_id = :i AND id = :a FOR UPDATE"
    return await tx.one(q, i=installation_id, a=agent_id)


async def listeners(tx: Tx, installation_id: int) -> list[Row]:
    """Every agent that has not left: `id`, `role`, `capabilities`."""
    q = (
        "SELECT id, role, capabilities FROM agents WHERE installation_id = :i "
        "AND left_at IS NULL ORDER BY id"
    )
    rows = await tx.all(q, i=installation_id)
    return [row | {"capabilities": json.loads(row["capabilities"])} for row in rows]


async def sent_nth(tx: Tx, installation_id: int, who: str, nth: int) -> int:
    """When the sender sent its `nth` last message; 0 if there were not so many."""
    q = (
        "SELECT sent_at FROM messages WHERE installation_id = :i AND sender = :who "
        "ORDER BY sent_at DESC LIMIT 1 OFFSET :n"
    )
    row = await tx.one(q, i=installation_id, who=who, n=nth - 1)
    return int(row["sent_at"]) if row else 0


async def full(tx: Tx, installation_id: int, agents: Sequence[str], most: int) -> list[str]:
    """Those that have so many unread ones already."""
    found = []
    for n in range(0, len(agents), NAMES):
        rows = await tx.all(
            "SELECT agent_id FROM receipts WHERE installation_id = :i AND agent_id IN :agents "
            f"AND {UNREAD} GROUP BY agent_id HAVING COUNT(*) >= :most",
            i=installation_id,
            agents=list(agents[n : n + NAMES]),
            now=await tx.now(),
            most=most,
        )
        found += [row["agent_id"] for row in rows]
    return sorted(found)


async def send(tx: Tx, installation_id: int, row: Row, recipients: Sequence[str]) -> None:
    """Keep the message, and a receipt for each recipient: in the order of their times."""
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
    statement = sql.insert("receipts", RECEIPT_COLUMNS)
    await tx.many(statement, [receipt | {"agent_id": each} for each in recipients])


async def get(tx: Tx, installation_id: int, message_id: str, *, lock: bool = False) -> Row | None:
    q = "SELECT * FROM messages WHERE installation_id = :i AND id = :m"
    return await tx.one(f"{q} FOR UPDATE" if lock else q, i=installation_id, m=message_id)


async def many(tx: Tx, installation_id: int, ids: Sequence[str]) -> list[Row]:
    """In the order of `ids`."""
    q = "SELECT * FROM messages WHERE installation_id = :i AND id IN :ids"
    found = {row["id"]: row for row in await tx.all(q, i=installation_id, ids=list(ids))}
    return [found[each] for each in ids if each in found]


# --- An inbox -------------------------------------------------------------------------------------


async def inbox(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[Row]:
    """What may be handed out, by priority, then age, with `attempts`; locked for `hand_out`."""
    # Two calls of one agent at once do not get the same.
    found = await tx.all(
        f"SELECT message_id, attempts FROM receipts WHERE {VISIBLE} "
        "ORDER BY priority DESC, seq, message_id LIMIT :n FOR UPDATE SKIP LOCKED",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        n=limit,
    )
    attempts = {row["message_id"]: row["attempts"] for row in found}
    rows = await many(tx, installation_id, list(attempts))
    return [row | {"attempts": attempts[row["id"]]} for row in rows]


async def hand_out(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> None:
    """Hide them for a while: they are in their reader's hands."""
    if not ids:
        return
    # MySQL assigns from left to right: the end of life goes by the attempts before this one.
    await tx.run(
        "UPDATE receipts SET expires_at = CASE WHEN attempts >= :last THEN :at "
        "WHEN expires_at < :at THEN :at ELSE expires_at END, "
        "state = 'delivered', visible_at = :at, attempts = attempts + 1 "
        f"WHERE {MINE} AND message_id IN :ids AND state IN ('pending', 'delivered')",
        last=MOST_ATTEMPTS - 1,
        at=await tx.now() + VISIBILITY,
        i=installation_id,
        a=agent_id,
        ids=list(ids),
    )


async def waiting(tx: Tx, installation_id: int, agent_id: str) -> bool:
    """Whether `inbox` would give something."""
    q = f"SELECT message_id FROM receipts WHERE {VISIBLE} LIMIT 1"
    return await tx.one(q, i=installation_id, a=agent_id, now=await tx.now()) is not None


async def unread(tx: Tx, installation_id: int, agent_id: str) -> int:
    """How many, those in its hands included."""
    q = f"SELECT COUNT(*) AS n FROM receipts WHERE {MINE} AND {UNREAD}"
    row = await tx.one(q, i=installation_id, a=agent_id, now=await tx.now())
    return int(row["n"]) if row else 0


async def first_unread(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[Row]:
    """Unread ones as `inbox` orders them, those in its hands too; nothing is taken."""
    found = await tx.all(
        f"SELECT message_id, attempts FROM receipts WHERE {MINE} AND {UNREAD} "
        "ORDER BY priority DESC, seq, message_id LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        n=limit,
    )
    attempts = {row["message_id"]: row["attempts"] for row in found}
    rows = await many(tx, installation_id, list(attempts))
    return [row | {"attempts": attempts[row["id"]]} for row in rows]


async def mine(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> list[Row]:
    """The agent's receipts of these messages, locked."""
    q = f"SELECT * FROM receipts WHERE {MINE} AND message_id IN :ids ORDER BY message_id FOR UPDATE"
    return await tx.all(q, i=installation_id, a=agent_id, ids=list(ids))


async def mark_read(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> None:
    """Also what is dead: who marks it did read it."""
    now = await tx.now()
    await tx.run(
        "UPDATE receipts SET state = 'read', read_at = :now, ended_at = :now "
        f"WHERE {MINE} AND message_id IN :ids AND state IN ('pending', 'delivered', 'dead')",
        now=now,
        i=installation_id,
        a=agent_id,
        ids=list(ids),
    )


async def drop(tx: Tx, installation_id: int, agent_id: str, message_id: str) -> bool:
    """The agent's own receipt goes, whatever it was; whether there is one."""
    return bool(
        await tx.run(
            "UPDATE receipts SET state = 'deleted', ended_at = COALESCE(ended_at, :now) "
            f"WHERE {MINE} AND message_id = :m",
            now=await tx.now(),
            i=installation_id,
            a=agent_id,
            m=message_id,
        )
    )


# --- What became of a message ---------------------------------------------------------------------


async def receipts(tx: Tx, installation_id: int, ids: Sequence[str], most: int) -> list[Row]:
    """Of each message at most so many: the dead ones first, those that were read last."""
    return await tx.all(
        "SELECT * FROM (SELECT message_id, agent_id, state, dead_why, read_at, "
        "ROW_NUMBER() OVER (PARTITION BY message_id ORDER BY CASE state WHEN 'dead' THEN 0 "
        "WHEN 'read' THEN 2 ELSE 1 END, agent_id) AS place FROM receipts WHERE "
        "installation_id = :i AND message_id IN :ids) q WHERE place <= :most "
        "ORDER BY message_id, place",
        i=installation_id,
        ids=list(ids),
        most=most,
    )


async def take_back(tx: Tx, installation_id: int, message_id: str) -> None:
    """Whoever has not read it will not; its text is gone for all."""
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


async def read_by(tx: Tx, installation_id: int, message_id: str, limit: int) -> list[str]:
    rows = await tx.all(
        "SELECT agent_id FROM receipts WHERE installation_id = :i AND message_id = :m "
        "AND read_at IS NOT NULL ORDER BY agent_id LIMIT :n",
        i=installation_id,
        m=message_id,
        n=limit,
    )
    return [row["agent_id"] for row in rows]


async def over(tx: Tx, limit: int) -> list[Row]:
    """Unread receipts whose time is over, of any installation; locked for `bury`."""
    return await tx.all(
        "SELECT installation_id, agent_id, message_id, attempts FROM receipts "
        "WHERE state IN ('pending', 'delivered') AND expires_at <= :now LIMIT :n "
        "FOR UPDATE SKIP LOCKED",
        now=await tx.now(),
        n=limit,
    )


async def bury(tx: Tx, installation_id: int, message_id: str, agents: Sequence[str]) -> None:
    """They are dead letters: handed out in vain as often as may be, or too old."""
    await tx.run(
        "UPDATE receipts SET state = 'dead', ended_at = :now, dead_why = "
        "CASE WHEN attempts >= :most THEN 'undelivered' ELSE 'expired' END "
        "WHERE installation_id = :i AND message_id = :m AND agent_id IN :agents "
        "AND state IN ('pending', 'delivered')",
        now=await tx.now(),
        most=MOST_ATTEMPTS,
        i=installation_id,
        m=message_id,
        agents=list(agents),
    )


async def dead_of(tx: Tx, installation_id: int, message_id: str) -> list[str]:
    """Whose receipts of it are dead, locked; those who left are not among them."""
    rows = await tx.all(
        "SELECT r.agent_id FROM receipts r WHERE r.installation_id = :i AND r.message_id = :m "
        "AND r.state = 'dead' AND EXISTS (SELECT 1 FROM agents a WHERE a.installation_id = "
        "r.installation_id AND a.id = r.agent_id AND a.left_at IS NULL) "
        "ORDER BY r.agent_id FOR UPDATE",
        i=installation_id,
        m=message_id,
    )
    return [row["agent_id"] for row in rows]


async def revive(
    tx: Tx, installation_id: int, message_id: str, agents: Sequence[str], expires_at: int
) -> None:
    """Their dead receipts are pending again, and the message lives as long at least."""
    for n in range(0, len(agents), NAMES):
        await tx.run(
            "UPDATE receipts SET state = 'pending', attempts = 0, visible_at = 0, told_at = NULL, "
            "dead_why = NULL, ended_at = NULL, expires_at = :at WHERE installation_id = :i "
            "AND message_id = :m AND agent_id IN :agents AND state = 'dead'",
            at=expires_at,
            i=installation_id,
            m=message_id,
            agents=list(agents[n : n + NAMES]),
        )
    await tx.run(
        "UPDATE messages SET expires_at = CASE WHEN expires_at < :at THEN :at ELSE expires_at END "
        "WHERE installation_id = :i AND id = :m",
        at=expires_at,
        i=installation_id,
        m=message_id,
    )


# --- Lists, the newest first, from before a message's id ------------------------------------------


async def sent(tx: Tx, installation_id: int, who: str, before: str, limit: int) -> list[Row]:
    """What one sent."""
    return await tx.all(
        "SELECT * FROM messages WHERE installation_id = :i AND sender = :who AND id < :before "
        "ORDER BY sent_at DESC, id DESC LIMIT :n",
        i=installation_id,
        who=who,
        before=before,
        n=limit,
    )


async def dead(
    tx: Tx, installation_id: int, before: str, limit: int, *, sender: str | None = None
) -> list[Row]:
    """What somebody did not read in time, of all or of one sender."""
    by = "" if sender is None else "AND m.sender = :who "
    more = {} if sender is None else {"who": sender}
    rows = await tx.all(
        "SELECT r.message_id FROM receipts r JOIN messages m "
        "ON m.installation_id = r.installation_id AND m.id = r.message_id "
        "WHERE r.installation_id = :i AND r.state = 'dead' AND r.message_id < :before "
        # MariaDB gathers all before it sorts what is DISTINCT.
        f"{by}GROUP BY r.message_id ORDER BY r.message_id DESC LIMIT :n",
        i=installation_id,
        before=before,
        n=limit,
        **more,
    )
    return await many(tx, installation_id, [row["message_id"] for row in rows])


async def died(tx: Tx, installation_id: int, agent_id: str, before: str, limit: int) -> list[Row]:
    """Dead letters to one."""
    rows = await tx.all(
        f"SELECT message_id FROM receipts WHERE {MINE} AND state = 'dead' "
        "AND message_id < :before ORDER BY message_id DESC LIMIT :n",
        i=installation_id,
        a=agent_id,
        before=before,
        n=limit,
    )
    return await many(tx, installation_id, [row["message_id"] for row in rows])


async def took_part(tx: Tx, installation_id: int, thread_id: str, who: str) -> bool:
    """Whether one wrote or got any message of the thread."""
    q = (
        "SELECT 1 AS yes FROM messages m WHERE m.installation_id = :i AND m.thread_id = :t "
        "AND (m.sender = :who OR EXISTS (SELECT 1 FROM receipts r WHERE "
        "r.installation_id = m.installation_id AND r.agent_id = :who AND r.message_id = m.id)) "
        "LIMIT 1"
    )
    return await tx.one(q, i=installation_id, t=thread_id, who=who) is not None


async def thread(
    tx: Tx, installation_id: int, thread_id: str, before: str, limit: int
) -> list[Row]:
    return await tx.all(
        "SELECT * FROM messages WHERE installation_id = :i AND thread_id = :t AND id < :before "
        "ORDER BY seq DESC, id DESC LIMIT :n",
        i=installation_id,
        t=thread_id,
        before=before,
        n=limit,
    )


async def about(tx: Tx, installation_id: int, task_id: str, limit: int) -> list[Row]:
    """The newest messages about a task that were not taken back, oldest first."""
    q = (
        "SELECT * FROM messages WHERE installation_id = :i AND task_id = :t "
        "AND deleted_at IS NULL ORDER BY seq DESC LIMIT :n"
    )
    return (await tx.all(q, i=installation_id, t=task_id, n=limit))[::-1]


async def on_card(tx: Tx, installation_id: int, task_id: str, limit: int = 3) -> list[Row]:
    """What its card shows: the newest that were meant for it and are neither deleted nor expired.

    Oldest first: `id`, `sender`, `recipient`, `body`, `sent_at`.
    """
    q = (
        "SELECT id, sender, recipient, body, sent_at FROM messages WHERE installation_id = :i "
        "AND task_id = :t AND on_card = 1 AND deleted_at IS NULL "
        "AND (expires_at IS NULL OR expires_at > :now) ORDER BY seq DESC LIMIT :n"
    )
    rows = await tx.all(q, i=installation_id, t=task_id, now=await tx.now(), n=limit)
    return rows[::-1]


# --- Notices --------------------------------------------------------------------------------------


async def urgent(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[Row]:
    """Unread messages of high priority that their reader was neither handed nor told of."""
    found = await tx.all(
        f"SELECT message_id FROM receipts WHERE {VISIBLE} AND priority = {HIGH} "
        "AND told_at IS NULL ORDER BY seq LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        n=limit,
    )
    return await many(tx, installation_id, [row["message_id"] for row in found])


async def told(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> None:
    """The agent was told that these messages wait for it."""
    await tx.run(
        f"UPDATE receipts SET told_at = :now WHERE {MINE} AND message_id IN :ids "
        "AND told_at IS NULL",
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
        ids=list(ids),
    )
