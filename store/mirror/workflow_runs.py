"""Runs of GitHub Actions in the mirror."""

from store.engine.transaction import Tx
from store.tables.builds import WorkflowRunRow


async def workflow_run(tx: Tx, installation_id: int, run_id: int) -> WorkflowRunRow | None:
    q = "SELECT * FROM workflow_runs WHERE installation_id = :i AND id = :id AND deleted = 0"
    return await tx.one(q, i=installation_id, id=run_id)
