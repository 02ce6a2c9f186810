"""Which work of an installation waits for GitHub, in one statement."""

from dataclasses import dataclass

from store.engine.transaction import Tx
from store.outbox.writes import LIVE

# The priorities of reads, the most urgent first.
PRIORITIES = (0, 1, 2)
_READS = ", ".join(
    "EXISTS (SELECT 1 FROM pending_reads WHERE installation_id = :i AND state = 'queued' "
    f"AND priority = {each} AND not_before <= :now) AS reads_{each}"
    for each in PRIORITIES
)


@dataclass(frozen=True)
class DueWork:
    """`writes`: whether any has not ended. `reads`: the priorities of those that are due."""

    writes: bool = False
    reads: frozenset[int] = frozenset()
    backfill: bool = False

    def __bool__(self) -> bool:
        return self.writes or self.backfill or bool(self.reads)


async def of(tx: Tx, installation_id: int) -> DueWork:
    row = await tx.one(
        "SELECT EXISTS (SELECT 1 FROM writes WHERE installation_id = :i AND state IN :live) "
        f"AS writes, {_READS}, EXISTS (SELECT 1 FROM backfills WHERE installation_id = :i "
        "AND state = 'queued' AND not_before <= :now) AS backfill",
        i=installation_id,
        live=LIVE,
        now=await tx.now(),
    )
    assert row is not None
    reads = frozenset(each for each in PRIORITIES if row[f"reads_{each}"])
    return DueWork(bool(row["writes"]), reads, bool(row["backfill"]))
