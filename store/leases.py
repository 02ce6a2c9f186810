"""Leases: who holds a task, until when. A lease ends only by a change of its row."""

from store.transaction import Tx


async def renew(tx: Tx, installation_id: int, holder: str, now: int) -> int:
    """Prolong every lease the holder has; one that ended or ran out is never revived."""
    return await tx.run(
        "UPDATE leases SET expires_at = :now + lease_s * 1000000, renewed_at = :now "
        "WHERE installation_id = :i AND holder = :h AND state = 'held' AND expires_at > :now",
        now=now,
        i=installation_id,
        h=holder,
    )
