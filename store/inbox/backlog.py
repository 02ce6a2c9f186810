"""How many rows are in each state, for operators."""

from store.engine.transaction import Tx
from store.inbox import deliveries, missed_deliveries

TABLES = (
    "backfills",
    "deliveries",
    "commands",
    "pending_reads",
    "writes",
    "tasks",
    "leases",
    "receipts",
    "agent_runs",
    "endpoint_deliveries",
    "plugin_forwards",
)


async def by_state(tx: Tx, table: str) -> dict[str, int]:
    """How many rows of a table are in each state."""
    rows = await tx.all(f"SELECT state, COUNT(*) AS n FROM {table} GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


async def behind(tx: Tx) -> dict[str, float]:
    """Seconds since the oldest unprocessed delivery came, and counts; of all installations."""
    row = await tx.one(
        "SELECT COALESCE(SUM(seen), 0) AS seen, COALESCE(SUM(expected), 0) AS expected "
        "FROM backfills"
    )
    assert row is not None
    oldest = await deliveries.oldest(tx)
    return {
        "mirror_lag_seconds": (await tx.now() - oldest) / 1_000_000 if oldest else 0.0,
        "deliveries_lost": float(await missed_deliveries.count(tx)),
        "backfill_seen": float(row["seen"]),
        "backfill_expected": float(row["expected"]),
    }
