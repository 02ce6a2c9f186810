"""What an agent works on."""

from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tasks.tasks import ANY, ITS_LEASE, FullTask, decode


class LiveClaim(TypedDict):
    """A task that somebody holds, and since when."""

    repository_id: int
    number: int | None
    pull_number: int | None
    granted_at: int


# Claims of one holder that are looked through; people may have many.
MOST = 1000


async def live(tx: Tx, installation_id: int, holder: str) -> list[LiveClaim]:
    return await tx.all(
        "SELECT t.repository_id, t.number, t.pull_number, l.granted_at FROM tasks t "
        f"JOIN leases l ON {ITS_LEASE} WHERE t.installation_id = :i AND t.holder = :h LIMIT {MOST}",
        i=installation_id,
        h=holder,
    )


async def of_holder(tx: Tx, installation_id: int, holder: str, limit: int) -> list[FullTask]:
    """The tasks of a holder whose leases run. A parked lease waits for people, so it is not one."""
    rows = await tx.all(
        f"{ANY} AND t.holder = :h AND t.state = 'in_progress' AND l.state = 'held' "
        "ORDER BY t.created_at, t.id LIMIT :n",
        i=installation_id,
        h=holder,
        n=limit,
    )
    return decode(rows)


async def of_installation(tx: Tx, installation_id: int, most: int) -> int:
    """How many leases agents hold in the installation, counted up to `most`."""
    leases = sql.by_index(tx.dialect, "leases", "ix_leases_live")
    row = await tx.one(
        f"SELECT COUNT(*) AS n FROM (SELECT id FROM {leases} WHERE installation_id = :i "
        "AND state = 'held' AND expires_at IS NOT NULL LIMIT :n) live",
        i=installation_id,
        n=most,
    )
    return int(row["n"]) if row else 0
