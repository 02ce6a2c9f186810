"""The messages of one agent: deliver, mark as read, delete."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine.transaction import Row, Tx
from store.messages import messages
from store.messages.receipts import NAMES, UNREAD
from store.tables.messages import MessageRow, ReceiptRow

# A delivered message that is not marked as read is delivered again after this.
VISIBILITY = 60_000_000
MOST_ATTEMPTS = 5
# How often to skip messages that other calls have locked.
ROUNDS = 5
MEDIUM, HIGH = 1, 2
MINE = "installation_id = :i AND agent_id = :a"
VISIBLE = f"{MINE} AND {UNREAD} AND visible_at <= :now"
# Messages that no call delivered and no notice named. Those of low priority get no notice.
UNANNOUNCED = f"{VISIBLE} AND priority >= {MEDIUM} AND attempts = 0 AND told_at IS NULL"


class Copy(TypedDict):
    """How often a message was handed out to one reader, and when it dies unread."""

    attempts: int
    dies_at: int | None


class Letter(MessageRow, Copy):
    """A message as one reader gets it."""


class Counts(TypedDict):
    """How many messages are unread, and how many of these wait to be handed out again.

    `visible_at`: when the first of these is handed out again.
    """

    unread: int
    hidden: int
    visible_at: int | None


async def lock_due(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[Letter]:
    """Lock the messages to deliver for `hand_out`; return them by priority, then age."""
    locked: dict[str, Copy] = {}
    seen: list[str] = []
    for _ in range(ROUNDS):
        found = await _visible_ids(tx, installation_id, agent_id, seen, limit - len(locked))
        locked |= await _lock(tx, installation_id, agent_id, found) if found else {}
        seen += found
        if len(locked) == limit or not found:
            break
    if seen and not locked:
        # The sender's commit may be seen before its locks end. Nothing was handed out so far, so
        # an answer without messages would be wrong.
        locked = await _lock(tx, installation_id, agent_id, seen, wait=True)
    return await _letters(
        tx, installation_id, {each: locked[each] for each in seen if each in locked}
    )


async def _letters(tx: Tx, installation_id: int, copies: dict[str, Copy]) -> list[Letter]:
    """The messages in this order."""
    rows = await messages.several(tx, installation_id, list(copies))
    return [{**row, **copies[row["id"]]} for row in rows]


async def _visible_ids(
    tx: Tx, installation_id: int, agent_id: str, seen: list[str], limit: int
) -> list[str]:
    """The first messages to deliver, without a lock. A query that locks and sorts locks all."""
    but_seen = "AND message_id NOT IN :seen " if seen else ""
    rows = await tx.all(
        f"SELECT message_id FROM receipts WHERE {VISIBLE} {but_seen}"
        "ORDER BY priority DESC, seq, message_id LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        n=limit,
        **({"seen": seen} if seen else {}),
    )
    return [row["message_id"] for row in rows]


async def _lock(
    tx: Tx, installation_id: int, agent_id: str, ids: list[str], *, wait: bool = False
) -> dict[str, Copy]:
    """Lock the receipts, and return what they say. Without `wait`, leave out locked ones."""
    rows = await tx.all(
        f"SELECT message_id, attempts, expires_at FROM receipts WHERE {VISIBLE} "
        f"AND message_id IN :ids FOR UPDATE{'' if wait else ' SKIP LOCKED'}",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        ids=ids,
    )
    return {row["message_id"]: _copy(row) for row in rows}


def _copy(row: Row) -> Copy:
    return {"attempts": row["attempts"], "dies_at": row["expires_at"]}


async def hand_out(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> int:
    """Hide them for a while, and return until when. They are delivered when the answer arrived."""
    at = await tx.now() + VISIBILITY
    if not ids:
        return at
    # MySQL assigns from left to right, so `expires_at` still sees the old number of attempts.
    await tx.run(
        "UPDATE receipts SET expires_at = CASE WHEN attempts >= :last THEN :at "
        "WHEN expires_at < :at THEN :at ELSE expires_at END, "
        "visible_at = :at, attempts = attempts + 1 "
        f"WHERE {MINE} AND message_id IN :ids AND state IN ('pending', 'delivered')",
        last=MOST_ATTEMPTS - 1,
        at=at,
        i=installation_id,
        a=agent_id,
        ids=list(ids),
    )
    return at


async def mark_delivered(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> None:
    """Mark that the reader got the answer with these messages."""
    await tx.run(
        f"UPDATE receipts SET state = 'delivered' WHERE {MINE} AND message_id IN :ids "
        "AND state = 'pending'",
        i=installation_id,
        a=agent_id,
        ids=list(ids),
    )


async def take_back(
    tx: Tx, installation_id: int, agent_id: str, letters: Sequence[Letter], until: int
) -> None:
    """Undo the `hand_out` that hid them `until` then, because nobody got the answer."""
    for each in letters:
        await tx.run(
            "UPDATE receipts SET visible_at = 0, attempts = :before, expires_at = :dies "
            f"WHERE {MINE} AND message_id = :m AND visible_at = :until "
            "AND state IN ('pending', 'delivered')",
            before=each["attempts"],
            dies=each["dies_at"],
            until=until,
            i=installation_id,
            a=agent_id,
            m=each["id"],
        )


async def has_waiting(tx: Tx, installation_id: int, agent_id: str) -> bool:
    """Whether `lock_due` would return a message."""
    q = f"SELECT message_id FROM receipts WHERE {VISIBLE} LIMIT 1"
    return await tx.one(q, i=installation_id, a=agent_id, now=await tx.now()) is not None


async def unread(tx: Tx, installation_id: int, agent_id: str) -> int:
    """How many are unread, including delivered ones."""
    return (await counts(tx, installation_id, agent_id))["unread"]


async def counts(tx: Tx, installation_id: int, agent_id: str) -> Counts:
    row: Counts | None = await tx.one(
        "SELECT COUNT(*) AS unread, MIN(CASE WHEN visible_at > :now THEN visible_at END) AS "
        "visible_at, COUNT(CASE WHEN visible_at > :now THEN 1 END) AS hidden "
        f"FROM receipts WHERE {MINE} AND {UNREAD}",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
    )
    return row or Counts(unread=0, hidden=0, visible_at=None)


async def first_unread(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[Letter]:
    """The unread messages in the order of `lock_due`, without delivering them."""
    found = await tx.all(
        f"SELECT message_id, attempts, expires_at FROM receipts WHERE {MINE} AND {UNREAD} "
        "ORDER BY priority DESC, seq, message_id LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        n=limit,
    )
    return await _letters(tx, installation_id, {row["message_id"]: _copy(row) for row in found})


async def lock_receipts(
    tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]
) -> list[ReceiptRow]:
    """Lock the agent's receipts of these messages and return them."""
    q = f"SELECT * FROM receipts WHERE {MINE} AND message_id IN :ids ORDER BY message_id FOR UPDATE"
    return await tx.all(q, i=installation_id, a=agent_id, ids=list(ids))


async def mark_read(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> None:
    """Mark as read; dead letters too, because the agent did read them."""
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
    """Delete the agent's own receipt in any state. False if there is none."""
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


async def full(tx: Tx, installation_id: int, agents: Sequence[str], most: int) -> list[str]:
    """The agents that already have this many unread messages."""
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


async def messages_to_announce(
    tx: Tx, installation_id: int, agent_id: str, limit: int
) -> list[MessageRow]:
    """Unread messages that no call delivered and no notice named, the oldest first."""
    found = await tx.all(
        f"SELECT message_id FROM receipts WHERE {UNANNOUNCED} ORDER BY seq LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        n=limit,
    )
    return await messages.several(tx, installation_id, [row["message_id"] for row in found])


async def urgent_after(
    tx: Tx, installation_id: int, agent_id: str, after: int, limit: int
) -> list[MessageRow]:
    """Messages of high priority that no call delivered, sent after that time, the oldest first."""
    found = await tx.all(
        f"SELECT message_id FROM receipts WHERE {VISIBLE} AND priority = {HIGH} AND attempts = 0 "
        "AND seq > :after ORDER BY seq, message_id LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        after=after,
        n=limit,
    )
    return await messages.several(tx, installation_id, [row["message_id"] for row in found])


async def mark_notified(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> None:
    """Mark that the agent was notified about these messages."""
    await tx.run(
        f"UPDATE receipts SET told_at = :now WHERE {MINE} AND message_id IN :ids "
        "AND told_at IS NULL",
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
        ids=list(ids),
    )
