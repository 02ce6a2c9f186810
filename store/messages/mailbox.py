"""What one agent has to read: handed out, marked, dropped."""

from collections.abc import Sequence

from store.engine.transaction import Tx
from store.messages.messages import many
from store.messages.receipts import NAMES, UNREAD
from store.tables.messages import MessageRow, ReceiptRow

# A message that was handed out and not marked read is handed out again after this.
VISIBILITY = 60_000_000
MOST_ATTEMPTS = 5
# So often those are passed over that are in other calls' hands.
ROUNDS = 5
HIGH = 2
MINE = "installation_id = :i AND agent_id = :a"
VISIBLE = f"{MINE} AND {UNREAD} AND visible_at <= :now"


class Letter(MessageRow):
    """A message with how often it was handed out to one reader."""

    attempts: int


async def due(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[Letter]:
    """What may be handed out, by priority, then age, with `attempts`; locked for `hand_out`."""
    attempts: dict[str, int] = {}
    seen: list[str] = []
    for _ in range(ROUNDS):
        found = await _first(tx, installation_id, agent_id, seen, limit - len(attempts))
        attempts |= await _lock(tx, installation_id, agent_id, found) if found else {}
        seen += found
        if len(attempts) == limit or not found:
            break
    return await _with(
        tx, installation_id, {each: attempts[each] for each in seen if each in attempts}
    )


async def _with(tx: Tx, installation_id: int, attempts: dict[str, int]) -> list[Letter]:
    """The messages, in this order, with how often each was handed out."""
    rows = await many(tx, installation_id, list(attempts))
    return [{**row, "attempts": attempts[row["id"]]} for row in rows]


async def _first(
    tx: Tx, installation_id: int, agent_id: str, seen: list[str], limit: int
) -> list[str]:
    """Not locked: what a lock finds by sorting it locks all."""
    passed = "AND message_id NOT IN :seen " if seen else ""
    rows = await tx.all(
        f"SELECT message_id FROM receipts WHERE {VISIBLE} {passed}"
        "ORDER BY priority DESC, seq, message_id LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        n=limit,
        **({"seen": seen} if seen else {}),
    )
    return [row["message_id"] for row in rows]


async def _lock(tx: Tx, installation_id: int, agent_id: str, ids: list[str]) -> dict[str, int]:
    """Those that no other call of the agent is just being given, with their attempts."""
    rows = await tx.all(
        f"SELECT message_id, attempts FROM receipts WHERE {VISIBLE} AND message_id IN :ids "
        "FOR UPDATE SKIP LOCKED",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        ids=ids,
    )
    return {row["message_id"]: row["attempts"] for row in rows}


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
    """Whether `due` would give something."""
    q = f"SELECT message_id FROM receipts WHERE {VISIBLE} LIMIT 1"
    return await tx.one(q, i=installation_id, a=agent_id, now=await tx.now()) is not None


async def unread(tx: Tx, installation_id: int, agent_id: str) -> int:
    """How many, those in its hands included."""
    q = f"SELECT COUNT(*) AS n FROM receipts WHERE {MINE} AND {UNREAD}"
    row = await tx.one(q, i=installation_id, a=agent_id, now=await tx.now())
    return int(row["n"]) if row else 0


async def first_unread(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[Letter]:
    """Unread ones as `due` orders them, those in its hands too; nothing is taken."""
    found = await tx.all(
        f"SELECT message_id, attempts FROM receipts WHERE {MINE} AND {UNREAD} "
        "ORDER BY priority DESC, seq, message_id LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=await tx.now(),
        n=limit,
    )
    return await _with(tx, installation_id, {row["message_id"]: row["attempts"] for row in found})


async def mine(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> list[ReceiptRow]:
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


async def urgent(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[MessageRow]:
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


async def mark_notified(tx: Tx, installation_id: int, agent_id: str, ids: Sequence[str]) -> None:
    """The agent was told that these messages wait for it."""
    await tx.run(
        f"UPDATE receipts SET told_at = :now WHERE {MINE} AND message_id IN :ids "
        "AND told_at IS NULL",
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
        ids=list(ids),
    )
