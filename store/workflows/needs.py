"""Which step of a workflow waits for which."""

from collections.abc import Sequence

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowNeedRow

COLUMNS = tuple(WorkflowNeedRow.__annotations__)


async def add(tx: Tx, rows: Sequence[WorkflowNeedRow]) -> None:
    if rows:
        await tx.many(sql.insert("workflow_needs", COLUMNS), [{**row} for row in rows])


async def of_workflow(tx: Tx, installation_id: int, workflow_id: str) -> list[WorkflowNeedRow]:
    q = (
        "SELECT * FROM workflow_needs WHERE installation_id = :i AND workflow_id = :w "
        "ORDER BY step, needs"
    )
    return await tx.all(q, i=installation_id, w=workflow_id)


async def release(tx: Tx, need: WorkflowNeedRow) -> None:
    """`step` no longer waits for `needs`."""
    await _set(tx, need, "released")


async def restore(tx: Tx, need: WorkflowNeedRow) -> None:
    """`step` waits for `needs` again."""
    await _set(tx, need, "present")


async def _set(tx: Tx, need: WorkflowNeedRow, state: str) -> None:
    await tx.run(
        "UPDATE workflow_needs SET state = :state WHERE installation_id = :i "
        "AND workflow_id = :w AND step = :s AND needs = :n",
        state=state,
        i=need["installation_id"],
        w=need["workflow_id"],
        s=need["step"],
        n=need["needs"],
    )


async def remove(tx: Tx, need: WorkflowNeedRow) -> None:
    await tx.run(
        "DELETE FROM workflow_needs WHERE installation_id = :i AND workflow_id = :w "
        "AND step = :s AND needs = :n",
        i=need["installation_id"],
        w=need["workflow_id"],
        s=need["step"],
        n=need["needs"],
    )
