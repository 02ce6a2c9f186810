"""Sealed checkpoints of agents: one for each task, and one for no task (`''`)."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.agents import CheckpointRow

COLUMNS = ("installation_id", "agent_id", "task_id", "saved_at", "sealed")
KEY = ("installation_id", "agent_id", "task_id")


async def put(tx: Tx, row: CheckpointRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "checkpoints", COLUMNS, KEY), **row)


async def get(tx: Tx, installation_id: int, agent_id: str, task_id: str) -> CheckpointRow | None:
    return await tx.one(
        "SELECT * FROM checkpoints WHERE installation_id = :i AND agent_id = :a AND task_id = :t",
        i=installation_id,
        a=agent_id,
        t=task_id,
    )


async def trim(tx: Tx, installation_id: int, agent_id: str, keep: int) -> None:
    """Drop all but the newest checkpoints of the agent."""
    rows = await tx.all(
        "SELECT task_id FROM checkpoints WHERE installation_id = :i AND agent_id = :a "
        "ORDER BY saved_at DESC, task_id LIMIT 100 OFFSET :keep",
        i=installation_id,
        a=agent_id,
        keep=keep,
    )
    if rows:
        await tx.run(
            "DELETE FROM checkpoints WHERE installation_id = :i AND agent_id = :a "
            "AND task_id IN :old",
            i=installation_id,
            a=agent_id,
            old=tuple(row["task_id"] for row in rows),
        )
