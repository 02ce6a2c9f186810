"""Messages between agents, and each recipient's receipt."""

from collections.abc import Sequence

from store import heads
from store.transaction import Row, Tx

# A message that was handed out and not marked read is handed out again after this.
VISIBILITY = 60_000_000
VISIBLE = (
    "installation_id = :i AND agent_id = :a AND state IN ('pending', 'delivered') "
    "AND visible_at <= :now"
)


async def send(tx: Tx, installation_id: int, row: Row, recipients: Sequence[str]) -> None:
    """Keep the message, and a receipt for each recipient."""
    heads.append(tx, "messages", installation_id, row)
    for agent_id in recipients:
        heads.append(
            tx,
            "receipts",
            installation_id,
            {
                "agent_id": agent_id,
                "message_id": row["id"],
                "state": "pending",
                "priority": row["priority"],
            },
        )
    tx.rings.add(f"installation {installation_id}")


async def inbox(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[Row]:
    """Unread ones by priority, then age, and hide them for a while."""
    now = await tx.now()
    # Two calls of one agent at once do not get the same.
    found = await tx.all(
        f"SELECT message_id FROM receipts WHERE {VISIBLE} ORDER BY priority DESC, seq LIMIT :n "
        "FOR UPDATE SKIP LOCKED",
        i=installation_id,
        a=agent_id,
        now=now,
        n=limit,
    )
    ids = [row["message_id"] for row in found]
    if not ids:
        return []
    await tx.run(
        "UPDATE receipts SET state = 'delivered', visible_at = :at WHERE installation_id = :i "
        "AND agent_id = :a AND message_id IN :ids",
        at=now + VISIBILITY,
        i=installation_id,
        a=agent_id,
        ids=ids,
    )
    q = "SELECT * FROM messages WHERE installation_id = :i AND id IN :ids"
    rows = await tx.all(q, i=installation_id, ids=ids)
    return sorted(rows, key=lambda row: ids.index(row["id"]))


async def waiting(tx: Tx, installation_id: int, agent_id: str) -> bool:
    """Whether `inbox` would give something."""
    q = f"SELECT message_id FROM receipts WHERE {VISIBLE} LIMIT 1"
    return await tx.one(q, i=installation_id, a=agent_id, now=await tx.now()) is not None


async def unread(tx: Tx, installation_id: int, agent_id: str) -> int:
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM receipts WHERE installation_id = :i AND agent_id = :a "
        "AND state IN ('pending', 'delivered')",
        i=installation_id,
        a=agent_id,
    )
    return int(row["n"]) if row else 0


async def mark_read(tx: Tx, installation_id: int, agent_id: str, message_id: str) -> bool:
    """Whether the agent has such a message; marking twice is no harm."""
    return bool(
        await tx.run(
            "UPDATE receipts SET state = 'read', read_at = COALESCE(read_at, :now) "
            "WHERE installation_id = :i AND agent_id = :a AND message_id = :m",
            now=await tx.now(),
            i=installation_id,
            a=agent_id,
            m=message_id,
        )
    )


async def thread_of(tx: Tx, installation_id: int, message_id: str) -> str | None:
    q = "SELECT thread_id FROM messages WHERE installation_id = :i AND id = :m"
    row = await tx.one(q, i=installation_id, m=message_id)
    return row["thread_id"] if row else None
