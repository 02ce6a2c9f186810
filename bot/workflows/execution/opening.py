"""What begins when a step can begin: its time-out. Who gets it: see `offers`."""

from typing import Any

from bot.identity.actors import BOT
from bot.workflows.definitions import stored_values
from bot.workflows.execution import timeouts, workflow_log
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowRow, WorkflowStepRow
from store.workflows import steps


async def open_step(
    tx: Tx, workflow: WorkflowRow, row: WorkflowStepRow, **values: Any
) -> WorkflowStepRow:
    """Open a step whose needs are over, and record it. The caller has ended its task's hold."""
    now, step = await tx.now(), stored_values.step(row["definition"])
    changed = await steps.change(
        tx,
        row,
        state="open",
        opened_at=now,
        deadline_at=timeouts.deadline(step, now),
        **values,
    )
    about = {"step": row["step"], "task": row["task_id"], "attempt": changed["attempts"] + 1}
    await workflow_log.record(tx, workflow, "workflow.step_opened", BOT, **about)
    return changed
