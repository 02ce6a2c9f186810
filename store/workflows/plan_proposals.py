"""The plans that agents proposed for their tasks. At most one of a task waits."""

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.approvals import PlanProposalRow, ProposalState

COLUMNS = tuple(PlanProposalRow.__annotations__)


async def add(tx: Tx, row: PlanProposalRow) -> None:
    stored = {**row, "definition": json_text.text(row["definition"])}
    await tx.run(sql.insert("plan_proposals", COLUMNS), **stored)


async def waiting(tx: Tx, installation_id: int, task_id: str) -> PlanProposalRow | None:
    found = await newest(tx, installation_id, task_id)
    return found if found and found["state"] == "waiting" else None


async def newest(tx: Tx, installation_id: int, task_id: str) -> PlanProposalRow | None:
    q = (
        f"SELECT * FROM {sql.by_index(tx.dialect, 'plan_proposals', 'ix_plan_proposals_task')} "
        "WHERE installation_id = :i AND task_id = :t ORDER BY created_at DESC, id DESC LIMIT 1"
    )
    row = await tx.one(q, i=installation_id, t=task_id)
    return None if row is None else _decode(row)


def _decode(row: PlanProposalRow) -> PlanProposalRow:
    return {**row, "definition": json_text.value(row["definition"])}


async def decide(
    tx: Tx,
    row: PlanProposalRow,
    state: ProposalState,
    by: str,
    why: str = "",
    workflow_id: str | None = None,
) -> bool:
    """End the wait of a proposal. False if somebody was faster."""
    return bool(
        await tx.run(
            "UPDATE plan_proposals SET state = :state, decided_by = :by, why = :why, "
            "workflow_id = :w, decided_at = :now WHERE installation_id = :i AND id = :id "
            "AND state = 'waiting'",
            state=state,
            by=by,
            why=why[:600] or None,
            w=workflow_id,
            now=await tx.now(),
            i=row["installation_id"],
            id=row["id"],
        )
    )


async def withdraw(tx: Tx, installation_id: int, task_id: str, why: str) -> None:
    """End the wait of a task's plan, because the lease of its holder ended."""
    proposals = sql.by_index(tx.dialect, "plan_proposals", "ix_plan_proposals_task")
    await tx.run(
        f"UPDATE {proposals} SET state = 'withdrawn', why = :why, decided_at = :now "
        "WHERE installation_id = :i AND task_id = :t AND state = 'waiting'",
        why=why,
        now=await tx.now(),
        i=installation_id,
        t=task_id,
    )
