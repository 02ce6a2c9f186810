"""What an installation has now. The counts are bounded by the quota that asks."""

from store.engine.transaction import Tx
from store.tables import TABLES


async def agents_beside(tx: Tx, installation_id: int, agent_id: str, most: int) -> int:
    """Registered agents without this one, at most `most`."""
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM (SELECT 1 FROM agents WHERE installation_id = :i "
        "AND id <> :agent AND left_at IS NULL LIMIT :most) q",
        i=installation_id,
        agent=agent_id,
        most=most,
    )
    return row["n"] if row else 0


async def open_tasks(tx: Tx, installation_id: int, most: int) -> int:
    """Open tasks, at most `most`."""
    row = await tx.one(
        "SELECT COUNT(*) AS n FROM (SELECT 1 FROM tasks WHERE installation_id = :i "
        "AND state IN ('pending', 'assigned', 'in_progress', 'in_review') LIMIT :most) q",
        i=installation_id,
        most=most,
    )
    return row["n"] if row else 0


def tables() -> list[str]:
    """The tables that have rows of installations."""
    return [each.name for each in TABLES.values() if "installation_id" in each.names]


async def rows_of(tx: Tx, table: str, installation_id: int) -> int:
    q = f"SELECT COUNT(*) AS n FROM {table} WHERE installation_id = :i"
    row = await tx.one(q, i=installation_id)
    return row["n"] if row else 0
