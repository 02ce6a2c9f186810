"""Finds in one query which notices an agent should get with its next answer."""

from collections.abc import Collection

from store.engine.transaction import Tx
from store.messages.mailbox import HIGH, VISIBLE
from store.tables.tasks import CONFIRMED, LeaseRow

# A lease is ending when less than this is left: a fifth of it, at least a minute, at most half.
ENDING = (
    "CASE WHEN lease_s >= 300 THEN lease_s * 200000 WHEN lease_s >= 120 THEN 60000000 "
    "ELSE lease_s * 500000 END"
)
MINE = "installation_id = :i AND holder = :a"
ENDED = "('expired', 'revoked', 'released', 'completed')"
LOST = f"{MINE} AND state IN {ENDED} AND told_at IS NULL AND ended_at >= :since"
ENDS = f"{MINE} AND state = 'held' AND expires_at > :now AND expires_at < :now + {ENDING}"
# The answer to the claim may have been lost.
UNCONFIRMED = f"{MINE} AND state = 'held' AND known < {CONFIRMED}"
HELD_BACK = f"{MINE} AND held = 1"
# The question was answered; `asked_at` stays until the holder is notified.
ANSWERED = f"{MINE} AND question IS NULL AND asked_at IS NOT NULL"
SIGNS = {
    "paused": "agents WHERE installation_id = :i AND id = :a AND paused_at IS NOT NULL",
    "lease_lost": f"leases WHERE {LOST}",
    "also_held": f"leases WHERE {UNCONFIRMED}",
    "hold": f"tasks WHERE {HELD_BACK}",
    "lease_ending": f"leases WHERE {ENDS}",
    "answered": f"tasks WHERE {ANSWERED}",
    "message": f"receipts WHERE {VISIBLE} AND priority = {HIGH} AND told_at IS NULL",
    "write_failed": "writes WHERE installation_id = :i AND author = :a AND told_at IS NULL "
    "AND state IN ('refused', 'dead', 'cancelled') AND finished_at >= :since",
    "stuck": "tasks WHERE installation_id = :i AND stuck_at >= :since",
}
# Only for tech-leads.
OF_LEADS = frozenset({"stuck"})


def _which(kinds: Collection[str]) -> str:
    return "SELECT " + ", ".join(
        f"EXISTS (SELECT 1 FROM {SIGNS[each]}) AS {each}" for each in kinds
    )


WHICH, WHICH_OF_LEADS = _which([each for each in SIGNS if each not in OF_LEADS]), _which(SIGNS)


async def due_kinds(
    tx: Tx, installation_id: int, agent_id: str, now: int, since: int, *, leads: bool = False
) -> list[str]:
    """The kinds of notice that are due. Nothing older than `since` counts."""
    which = WHICH_OF_LEADS if leads else WHICH
    row = await tx.one(which, i=installation_id, a=agent_id, now=now, since=since)
    return [kind for kind in SIGNS if row and row.get(kind)]


async def lost_leases(
    tx: Tx, installation_id: int, agent_id: str, since: int, limit: int
) -> list[LeaseRow]:
    """Leases that the holder lost and has not been notified about."""
    return await tx.all(
        f"SELECT * FROM leases WHERE {LOST} ORDER BY ended_at LIMIT :n",
        i=installation_id,
        a=agent_id,
        since=since,
        n=limit,
    )


async def unconfirmed_leases(
    tx: Tx, installation_id: int, agent_id: str, limit: int
) -> list[LeaseRow]:
    """Live leases of which the holder may not know, the oldest first."""
    q = f"SELECT * FROM leases WHERE {UNCONFIRMED} ORDER BY granted_at, id LIMIT :n"
    return await tx.all(q, i=installation_id, a=agent_id, n=limit)


async def ending_leases(
    tx: Tx, installation_id: int, agent_id: str, now: int, limit: int
) -> list[LeaseRow]:
    return await tx.all(
        f"SELECT * FROM leases WHERE {ENDS} ORDER BY expires_at LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=now,
        n=limit,
    )


async def tasks_on_hold(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[str]:
    """Ids of the agent's tasks that a person put on hold."""
    q = f"SELECT id FROM tasks WHERE {HELD_BACK} ORDER BY id LIMIT :n"
    return [row["id"] for row in await tx.all(q, i=installation_id, a=agent_id, n=limit)]


async def stuck_tasks(tx: Tx, installation_id: int, since: int, limit: int) -> list[str]:
    """Ids of the tasks that Hubbub put on hold since then, because nobody got them done."""
    q = (
        "SELECT id FROM tasks WHERE installation_id = :i AND stuck_at >= :since "
        "ORDER BY stuck_at DESC LIMIT :n"
    )
    return [row["id"] for row in await tx.all(q, i=installation_id, since=since, n=limit)]


async def answered_tasks(tx: Tx, installation_id: int, agent_id: str, limit: int) -> list[str]:
    """Ids of the agent's tasks whose question was answered."""
    q = f"SELECT id FROM tasks WHERE {ANSWERED} ORDER BY id LIMIT :n"
    return [row["id"] for row in await tx.all(q, i=installation_id, a=agent_id, n=limit)]


async def mark_lost_notified(
    tx: Tx, installation_id: int, agent_id: str, lease_ids: list[str]
) -> None:
    await tx.run(
        f"UPDATE leases SET told_at = :now WHERE {MINE} AND id IN :ids",
        now=await tx.now(),
        i=installation_id,
        a=agent_id,
        ids=lease_ids,
    )


async def mark_answered_notified(
    tx: Tx, installation_id: int, agent_id: str, task_ids: list[str]
) -> None:
    q = f"UPDATE tasks SET asked_at = NULL WHERE {ANSWERED} AND id IN :ids"
    await tx.run(q, i=installation_id, a=agent_id, ids=task_ids)
