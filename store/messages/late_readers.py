"""Messages to a group, for an agent that joins it later."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.messages import receipts


class Missed(TypedDict):
    """The columns of a message that a receipt repeats."""

    id: str
    priority: int
    seq: int
    expires_at: int | None


async def earlier_messages(
    tx: Tx, installation_id: int, agent_id: str, groups: Sequence[str], since: int, limit: int
) -> list[Missed]:
    """The newest valid messages to these groups that the agent neither sent nor got."""
    return await tx.all(
        "SELECT m.id, m.priority, m.seq, m.expires_at FROM messages m "
        "WHERE m.installation_id = :i AND m.recipient IN :groups AND m.seq > :since "
        "AND m.sender <> :who AND m.deleted_at IS NULL AND m.expires_at > :now "
        "AND NOT EXISTS (SELECT 1 FROM receipts r WHERE r.installation_id = m.installation_id "
        "AND r.agent_id = :who AND r.message_id = m.id) ORDER BY m.seq DESC LIMIT :n",
        i=installation_id,
        groups=list(groups),
        since=since,
        who=agent_id,
        now=await tx.now(),
        n=limit,
    )


async def add(tx: Tx, installation_id: int, agent_id: str, found: Sequence[Missed]) -> None:
    """Put these messages into the agent's mailbox."""
    reader = {"installation_id": installation_id, "agent_id": agent_id, "state": "pending"}
    rows = [
        reader
        | {
            "message_id": each["id"],
            "priority": each["priority"],
            "seq": each["seq"],
            "expires_at": each["expires_at"],
        }
        for each in found
    ]
    await tx.many(sql.insert("receipts", receipts.COLUMNS), rows)
