"""One process at a time talks to GitHub for an installation: the sender's lease."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.outbox import SenderRow

COLUMNS = ("installation_id", "holder", "lease_until")


async def acquire(
    tx: Tx, installation_id: int, me: str, lease: int, grace: int
) -> SenderRow | None:
    """Take or renew the lease for `lease` microseconds. None while another process has it.

    When another's lease expires, `grace` must pass first, because its last request may still run.
    """
    if await _take(tx, installation_id, me, lease, grace):
        return await get(tx, installation_id)
    if await get(tx, installation_id) is not None:
        return None
    await tx.run(
        sql.insert_new(tx.dialect, "senders", COLUMNS, ("installation_id",)),
        installation_id=installation_id,
        holder="",
        lease_until=0,
    )
    # Another process may have taken the new row.
    taken = await _take(tx, installation_id, me, lease, grace)
    return await get(tx, installation_id) if taken else None


async def _take(tx: Tx, installation_id: int, me: str, lease: int, grace: int) -> int:
    now = await tx.now()
    return await tx.run(
        "UPDATE senders SET holder = :me, lease_until = :until WHERE installation_id = :i "
        "AND (holder = :me OR holder = '' OR lease_until + :grace < :now)",
        me=me,
        until=now + lease,
        i=installation_id,
        grace=grace,
        now=now,
    )


async def get(tx: Tx, installation_id: int) -> SenderRow | None:
    return await tx.one("SELECT * FROM senders WHERE installation_id = :i", i=installation_id)


async def latest(tx: Tx, limit: int) -> list[int]:
    """The installations that were written to last."""
    q = (
        "SELECT installation_id FROM senders WHERE installation_id > 0 "
        "ORDER BY last_mutation_at DESC LIMIT :n"
    )
    return [row["installation_id"] for row in await tx.all(q, n=limit)]


async def holds(tx: Tx, installation_id: int, me: str, left: int) -> bool:
    """Whether this process has the lease for at least `left` more microseconds."""
    row = await tx.one(
        "SELECT holder FROM senders WHERE installation_id = :i AND holder = :me "
        "AND lease_until >= :at",
        i=installation_id,
        me=me,
        at=await tx.now() + left,
    )
    return row is not None


async def record_mutation(tx: Tx, installation_id: int, *, notifies: bool = False) -> None:
    """Record that a mutation was sent or answered now, so that the next one keeps its distance."""
    notified = ", last_notified_at = :now" if notifies else ""
    await tx.run(
        f"UPDATE senders SET last_mutation_at = :now{notified} WHERE installation_id = :i",
        now=await tx.now(),
        i=installation_id,
    )


async def record_turn(tx: Tx, installation_id: int, streak: int) -> None:
    """Record how many turns in a row people and bookkeeping had."""
    q = "UPDATE senders SET streak = :n WHERE installation_id = :i"
    await tx.run(q, n=streak, i=installation_id)


async def release(tx: Tx, me: str) -> None:
    """Release the lease. No request is under way, so the next process need not wait."""
    await tx.run("UPDATE senders SET holder = '' WHERE holder = :me", me=me)
