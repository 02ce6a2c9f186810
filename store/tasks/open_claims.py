"""What an agent works on."""

from store.engine.transaction import Tx
from store.tasks.tasks import ANY, FullTask, decode


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
