"""A new epoch: numbers above all that were given before, so that none is given twice.

After a restore, agents may hold numbers that the database does not know of. A new number is above
the old one by `GAP`, and not below the time in microseconds. So it is also above the numbers that
were given after an earlier restore of the same backup.
"""

from typing import TypedDict

from store.engine import key_values
from store.engine.transaction import Tx
from store.outbox.writes import LIVE
from store.tasks.claim_state import FIRST_FENCE

# A JSON number is exact up to 2^53, which is nine million times as much.
GAP = 1_000_000_000
# Rows that one statement changes.
BATCH = 1000


class LiveLease(TypedDict):
    id: str
    task_id: str
    holder: str


async def installations(tx: Tx) -> list[int]:
    rows = await tx.all("SELECT installation_id FROM heads ORDER BY installation_id")
    return [row["installation_id"] for row in rows]


async def raise_head(tx: Tx, installation_id: int) -> int:
    """Raise the last number of the installation: the new one."""
    q = "SELECT seq FROM heads WHERE installation_id = :i FOR UPDATE"
    row = await tx.one(q, i=installation_id)
    seq = max((row["seq"] if row else 0) + GAP, await tx.now())
    q = "UPDATE heads SET seq = :seq WHERE installation_id = :i"
    await tx.run(q, i=installation_id, seq=seq)
    return int(seq)


async def raise_first_fence(tx: Tx, installation_id: int) -> None:
    """Raise the first fence of tasks that were not claimed before, or are not in the backup."""
    before = int(await key_values.get_of(tx, installation_id, FIRST_FENCE) or 0)
    first = max(before + GAP, await tx.now())
    await key_values.put_of(tx, installation_id, FIRST_FENCE, str(first))


async def raise_fences(tx: Tx, installation_id: int, after: str) -> tuple[str, int]:
    """Raise the fences of some tasks after this one: the last of them, and how many they are.

    A task without a fence was never claimed. It stays so, and `raise_first_fence` is for it.
    """
    rows = await tx.all(
        "SELECT id FROM tasks WHERE installation_id = :i AND id > :after ORDER BY id LIMIT :n",
        i=installation_id,
        after=after,
        n=BATCH,
    )
    if not rows:
        return after, 0
    last: str = rows[-1]["id"]
    await tx.run(
        "UPDATE tasks SET fence = CASE WHEN fence + :gap > :now THEN fence + :gap ELSE :now END "
        "WHERE installation_id = :i AND id > :after AND id <= :last AND fence > 0",
        gap=GAP,
        now=await tx.now(),
        i=installation_id,
        after=after,
        last=last,
    )
    return last, len(rows)


async def live_leases(tx: Tx, installation_id: int, after: str) -> list[LiveLease]:
    return await tx.all(
        "SELECT id, task_id, holder FROM leases WHERE installation_id = :i "
        "AND state IN ('held', 'parked') AND task_id > :after ORDER BY task_id LIMIT :n",
        i=installation_id,
        after=after,
        n=BATCH // 10,
    )


async def renew_fence(tx: Tx, installation_id: int, task_id: str) -> None:
    """Give the lease of a person, who passes no fence, the raised fence of its task."""
    await tx.run(
        "UPDATE leases SET fence = (SELECT t.fence FROM tasks t WHERE t.installation_id = :i "
        "AND t.id = :t) WHERE installation_id = :i AND task_id = :t "
        "AND state IN ('held', 'parked')",
        i=installation_id,
        t=task_id,
    )


async def doubt_writes(tx: Tx, installation_id: int, not_before: int) -> int:
    """Mark the writes that have not ended as unknown: any of them may have been sent since."""
    return await tx.run(
        "UPDATE writes SET state = 'unknown', looks = 0, "
        "sending_at = CASE WHEN sending_at IS NULL THEN queued_at ELSE sending_at END, "
        "not_before = CASE WHEN not_before > :at THEN not_before ELSE :at END "
        "WHERE installation_id = :i AND state IN :live",
        at=not_before,
        live=LIVE,
        i=installation_id,
    )


async def look_at_boards(tx: Tx, installation_id: int) -> None:
    """Read the boards again and compare each task with them."""
    await tx.run(
        "UPDATE board_syncs SET look_at = :now, sweep_after = 0, sweep_at = :now "
        "WHERE installation_id = :i",
        now=await tx.now(),
        i=installation_id,
    )


async def forget_permissions(tx: Tx, installation_id: int) -> None:
    await tx.run("DELETE FROM permissions WHERE installation_id = :i", i=installation_id)


async def next_contexts(tx: Tx, installation_id: int, after: str) -> list[str]:
    rows = await tx.all(
        "SELECT id FROM contexts WHERE installation_id = :i AND id > :after ORDER BY id LIMIT :n",
        i=installation_id,
        after=after,
        n=BATCH // 50,
    )
    return [row["id"] for row in rows]


async def lock_version(tx: Tx, installation_id: int, context_id: str) -> int:
    q = "SELECT version FROM contexts WHERE installation_id = :i AND id = :c FOR UPDATE"
    row = await tx.one(q, i=installation_id, c=context_id)
    return int(row["version"]) if row else 0


async def set_version(tx: Tx, installation_id: int, context_id: str, version: int) -> None:
    await tx.run(
        "UPDATE contexts SET version = :v, updated_at = :now WHERE installation_id = :i "
        "AND id = :c",
        v=version,
        now=await tx.now(),
        i=installation_id,
        c=context_id,
    )
