"""The steps of workflows."""

from collections.abc import Collection, Sequence
from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.workflows import StepState, WorkflowStepRow

COLUMNS = tuple(WorkflowStepRow.__annotations__)
# What a step does not have before it begins.
COMES_BY_TIME = (
    *("context_version", "deadline_at", "opened_at", "ended_at"),
    *("spawn_at", "call_at", "call_id"),
)
# The steps of a workflow stand in the queue as if it created one each so often. So the many ready
# steps of one workflow let other tasks of their priority through.
SPACING = 5 * 60 * 1_000_000


async def add(tx: Tx, rows: Sequence[WorkflowStepRow]) -> None:
    """Add steps of one workflow, and give their tasks places in the queue of ready tasks."""
    encoded = [{**row, "definition": json_text.text(row["definition"])} for row in rows]
    await tx.many(sql.insert("workflow_steps", COLUMNS), encoded)
    if not rows:
        return
    await tx.run(
        "UPDATE tasks SET queued_at = created_at + :spacing * (SELECT s.place FROM workflow_steps "
        "s WHERE s.installation_id = tasks.installation_id AND s.task_id = tasks.id) "
        "WHERE installation_id = :i AND id IN :ids",
        spacing=SPACING,
        i=rows[0]["installation_id"],
        ids=sorted(row["task_id"] for row in rows),
    )


async def get(tx: Tx, installation_id: int, workflow_id: str, step: str) -> WorkflowStepRow | None:
    q = "SELECT * FROM workflow_steps WHERE installation_id = :i AND workflow_id = :w AND step = :s"
    return _decode(await tx.one(q, i=installation_id, w=workflow_id, s=step))


async def lock(tx: Tx, installation_id: int, workflow_id: str, step: str) -> WorkflowStepRow | None:
    """Lock the step. Its workflow is locked before it."""
    q = (
        "SELECT * FROM workflow_steps WHERE installation_id = :i AND workflow_id = :w "
        "AND step = :s FOR UPDATE"
    )
    return _decode(await tx.one(q, i=installation_id, w=workflow_id, s=step))


async def of_workflow(tx: Tx, installation_id: int, workflow_id: str) -> list[WorkflowStepRow]:
    """All steps of a workflow, in the order of its file."""
    q = (
        "SELECT * FROM workflow_steps WHERE installation_id = :i AND workflow_id = :w "
        "ORDER BY place, step"
    )
    return _rows(await tx.all(q, i=installation_id, w=workflow_id))


async def of_task(tx: Tx, installation_id: int, task_id: str) -> WorkflowStepRow | None:
    """The step that this task is."""
    q = "SELECT * FROM workflow_steps WHERE installation_id = :i AND task_id = :t"
    return _decode(await tx.one(q, i=installation_id, t=task_id))


async def of_tasks(
    tx: Tx, installation_id: int, task_ids: Collection[str]
) -> dict[str, WorkflowStepRow]:
    """The steps among these tasks, by task."""
    q = "SELECT * FROM workflow_steps WHERE installation_id = :i AND task_id IN :ids"
    rows = _rows(await tx.all(q, i=installation_id, ids=sorted(task_ids)))
    return {row["task_id"]: row for row in rows}


async def overdue(tx: Tx, limit: int) -> list[WorkflowStepRow]:
    """Open steps of all installations whose time is over."""
    q = "SELECT * FROM workflow_steps WHERE deadline_at <= :now ORDER BY deadline_at LIMIT :n"
    return _rows(await tx.all(q, now=await tx.now(), n=limit))


async def counts(
    tx: Tx, installation_id: int, workflow_ids: Collection[str]
) -> dict[str, dict[StepState, int]]:
    """How many steps of each workflow are in each state."""
    rows = await tx.all(
        "SELECT workflow_id, state, COUNT(*) AS n FROM workflow_steps WHERE installation_id = :i "
        "AND workflow_id IN :ids GROUP BY workflow_id, state",
        i=installation_id,
        ids=sorted(workflow_ids),
    )
    found: dict[str, dict[StepState, int]] = {}
    for row in rows:
        found.setdefault(row["workflow_id"], {})[row["state"]] = row["n"]
    return found


async def change(tx: Tx, step: WorkflowStepRow, **values: Any) -> WorkflowStepRow:
    """Set columns of a locked step. Return the row as it is then."""
    sets = ", ".join(f"{column} = :{column}" for column in values)
    q = (
        f"UPDATE workflow_steps SET {sets} WHERE installation_id = :i AND workflow_id = :w "
        "AND step = :key"
    )
    key = {"i": step["installation_id"], "w": step["workflow_id"], "key": step["step"]}
    given = {k: json_text.text(v) if k == "definition" else v for k, v in values.items()}
    await tx.run(q, **key, **given)
    changed: Any = {**step, **values}
    row: WorkflowStepRow = changed
    return row


async def remove(tx: Tx, step: WorkflowStepRow) -> None:
    await tx.run(
        "DELETE FROM workflow_steps WHERE installation_id = :i AND workflow_id = :w AND step = :s",
        i=step["installation_id"],
        w=step["workflow_id"],
        s=step["step"],
    )


async def with_due_run(tx: Tx, limit: int) -> list[WorkflowStepRow]:
    """Steps of all installations for which a run is to be started now."""
    q = "SELECT * FROM workflow_steps WHERE spawn_at <= :now ORDER BY spawn_at LIMIT :n"
    return _rows(await tx.all(q, now=await tx.now(), n=limit))


async def installations_with_due_call(tx: Tx, limit: int) -> list[int]:
    """Those that have a step whose tool is to be called now, the longest due first."""
    q = (
        "SELECT installation_id FROM workflow_steps WHERE call_at <= :now "
        "GROUP BY installation_id ORDER BY MIN(call_at), installation_id LIMIT :n"
    )
    return [row["installation_id"] for row in await tx.all(q, now=await tx.now(), n=limit)]


async def with_due_call(tx: Tx, installation_id: int, limit: int) -> list[WorkflowStepRow]:
    """Steps whose tool is to be called now, or whose call was lost, the longest due first."""
    table = sql.by_index(tx.dialect, "workflow_steps", "ix_workflow_steps_call")
    q = f"SELECT * FROM {table} WHERE installation_id = :i AND call_at <= :now "
    given = {"i": installation_id, "now": await tx.now(), "n": limit}
    return _rows(await tx.all(q + "ORDER BY call_at LIMIT :n", **given))


def _rows(rows: Sequence[Any]) -> list[WorkflowStepRow]:
    return [row for each in rows if (row := _decode(each)) is not None]


def _decode(found: Any) -> WorkflowStepRow | None:
    row: WorkflowStepRow | None = found
    if row is not None:
        row["definition"] = json_text.value(row["definition"])
    return row
