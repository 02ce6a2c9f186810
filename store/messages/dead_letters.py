"""Dead letters: messages not read in time, or delivered too often without being read."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.messages import messages
from store.messages.mailbox import MINE, MOST_ATTEMPTS
from store.messages.receipts import NAMES
from store.tables.messages import MessageRow

# How many messages of a sender one page of dead letters looks at.
WINDOW = 1000


class Expired(TypedDict):
    """An unread receipt that has expired."""

    installation_id: int
    agent_id: str
    message_id: str
    attempts: int


async def with_expired_receipts(tx: Tx, limit: int) -> list[int]:
    """Installations with unread receipts that have expired."""
    receipts = sql.by_index(tx.dialect, "receipts", "ix_receipts_expiry")
    rows = await tx.all(
        f"SELECT DISTINCT installation_id FROM {receipts} "
        "WHERE state IN ('pending', 'delivered') AND expires_at <= :now LIMIT :n",
        now=await tx.now(),
        n=limit,
    )
    return [row["installation_id"] for row in rows]


async def lock_expired_receipts(tx: Tx, installation_id: int, limit: int) -> list[Expired]:
    """Lock the expired unread receipts of an installation for `mark_dead`, and return them."""
    expired = sql.by_index(tx.dialect, "receipts", "ix_receipts_expiry")
    return await tx.all(
        f"SELECT installation_id, agent_id, message_id, attempts FROM {expired} "
        "WHERE installation_id = :i AND state IN ('pending', 'delivered') "
        "AND expires_at <= :now LIMIT :n FOR UPDATE SKIP LOCKED",
        i=installation_id,
        now=await tx.now(),
        n=limit,
    )


async def mark_dead(tx: Tx, installation_id: int, message_id: str, agents: Sequence[str]) -> None:
    """Make these receipts dead letters: undelivered after all attempts, or expired."""
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


async def lock_dead_readers(tx: Tx, installation_id: int, message_id: str) -> list[str]:
    """Lock the message's dead receipts and return their readers, without agents that have left."""
    of_message = sql.by_index(tx.dialect, "receipts r", "ix_receipts_message")
    rows = await tx.all(
        f"SELECT r.agent_id FROM {of_message} WHERE r.installation_id = :i AND r.message_id = :m "
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
    """Make dead receipts pending again, and extend the message's life to match."""
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


async def page(tx: Tx, installation_id: int, before: str, limit: int) -> list[MessageRow]:
    """A page of the dead letters of everybody."""
    rows = await tx.all(
        "SELECT message_id FROM receipts WHERE installation_id = :i AND state = 'dead' "
        # Not DISTINCT: MariaDB would collect all rows before it sorts them.
        "AND message_id < :before GROUP BY message_id ORDER BY message_id DESC LIMIT :n",
        i=installation_id,
        before=before,
        n=limit,
    )
    return await messages.several(tx, installation_id, [row["message_id"] for row in rows])


async def sent_by(
    tx: Tx, installation_id: int, who: str, before: str, limit: int
) -> tuple[list[MessageRow], str | None]:
    """A page of the sender's dead letters, and the id to continue before.

    A short page is not always the last.

    It reads the sender's messages, because the dead letters of all may be many.
    """
    rows = await tx.all(
        f"SELECT id FROM {sql.by_index(tx.dialect, 'messages', 'ix_messages_sender')} "
        "WHERE installation_id = :i AND sender = :who AND id < :before "
        "ORDER BY sent_at DESC, id DESC LIMIT :n",
        i=installation_id,
        who=who,
        before=before,
        n=WINDOW,
    )
    looked = [row["id"] for row in rows]
    dead = await _dead_among(tx, installation_id, looked)
    found = [each for each in looked if each in dead][:limit]
    end = looked[-1] if len(looked) == WINDOW else None
    return await messages.several(tx, installation_id, found), end


async def _dead_among(tx: Tx, installation_id: int, message_ids: Sequence[str]) -> set[str]:
    """Those of the messages that are a dead letter of somebody."""
    rows = await tx.all(
        f"SELECT message_id FROM {sql.by_index(tx.dialect, 'receipts', 'ix_receipts_state')} "
        "WHERE installation_id = :i AND state = 'dead' AND message_id IN :ids",
        i=installation_id,
        ids=list(message_ids),
    )
    return {row["message_id"] for row in rows}


async def addressed_to(
    tx: Tx, installation_id: int, agent_id: str, before: str, limit: int
) -> list[MessageRow]:
    """A page of the dead letters that were sent to an agent."""
    rows = await tx.all(
        f"SELECT message_id FROM receipts WHERE {MINE} AND state = 'dead' "
        "AND message_id < :before ORDER BY message_id DESC LIMIT :n",
        i=installation_id,
        a=agent_id,
        before=before,
        n=limit,
    )
    return await messages.several(tx, installation_id, [row["message_id"] for row in rows])
