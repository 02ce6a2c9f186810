"""The votes on gates of workflows: one row for each voter, which a new vote replaces."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.approvals import GateVoteRow

COLUMNS = tuple(GateVoteRow.__annotations__)
KEY = ("installation_id", "workflow_id", "step", "voter")


async def put(tx: Tx, row: GateVoteRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "gate_votes", COLUMNS, KEY), **row)


async def of_gate(tx: Tx, installation_id: int, workflow_id: str, step: str) -> list[GateVoteRow]:
    """The votes, the oldest first."""
    return await tx.all(
        "SELECT * FROM gate_votes WHERE installation_id = :i AND workflow_id = :w AND step = :s "
        "ORDER BY at, voter",
        i=installation_id,
        w=workflow_id,
        s=step,
    )


async def forget(tx: Tx, installation_id: int, workflow_id: str, step: str) -> None:
    """Once they decided, so that a gate which is tried again begins without votes."""
    await tx.run(
        "DELETE FROM gate_votes WHERE installation_id = :i AND workflow_id = :w AND step = :s",
        i=installation_id,
        w=workflow_id,
        s=step,
    )


async def worked_on_need(
    tx: Tx, installation_id: int, workflow_id: str, step: str, holder: str
) -> bool:
    """Whether somebody ever held a task that the step needs, as far back as leases are kept."""
    row = await tx.one(
        "SELECT 1 AS n FROM workflow_needs n "
        "JOIN workflow_steps s ON s.installation_id = :i AND s.workflow_id = :w "
        f"AND s.step = n.needs {sql.IN_ORDER[tx.dialect]} "
        f"{sql.by_index(tx.dialect, 'leases l', 'ix_leases_task')} "
        "ON l.installation_id = :i AND l.task_id = s.task_id AND l.holder = :h "
        "WHERE n.installation_id = :i AND n.workflow_id = :w AND n.step = :s LIMIT 1",
        i=installation_id,
        w=workflow_id,
        s=step,
        h=holder,
    )
    return row is not None
