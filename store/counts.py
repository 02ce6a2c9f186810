"""How many rows are in which state: for people who watch."""

from store.transaction import Tx

TABLES = ("deliveries", "commands", "pending_reads", "writes", "tasks", "leases", "receipts")


async def by_state(tx: Tx) -> dict[str, dict[str, int]]:
    found = {}
    for table in TABLES:
        rows = await tx.all(f"SELECT state, COUNT(*) AS n FROM {table} GROUP BY state")
        found[table] = {row["state"]: row["n"] for row in rows}
    return found
