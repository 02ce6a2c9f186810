"""Which running workflows an issue belongs to, by the relations that GitHub shows."""

from store.engine import sql
from store.engine.transaction import Tx


async def workflows_of(tx: Tx, installation_id: int, issue_id: int) -> list[str]:
    """The workflows of which the issue is the parent or a step."""
    task = sql.by_index(tx.dialect, "tasks t", "ix_tasks_issue")
    of_task = f"FROM {task} {sql.IN_ORDER[tx.dialect]}"
    where = "WHERE t.installation_id = :i AND t.issue_id = :issue AND w.state = 'running'"
    parent = sql.by_index(tx.dialect, "workflows w", "ix_workflows_parent")
    step = sql.by_index(tx.dialect, "workflow_steps s", "ix_workflow_steps_task")
    rows = await tx.all(
        f"SELECT w.id {of_task} {parent} ON w.installation_id = :i AND w.parent_task_id = t.id "
        f"{where} UNION SELECT w.id {of_task} {step} ON s.installation_id = :i "
        f"AND s.task_id = t.id JOIN workflows w ON w.installation_id = :i AND w.id = s.workflow_id "
        f"{where}",
        i=installation_id,
        issue=issue_id,
    )
    return sorted(row["id"] for row in rows)


async def workflows_above(tx: Tx, installation_id: int, issue_id: int) -> list[str]:
    """The workflows of whose parents the issue is a sub-issue."""
    rows = await tx.all(
        "SELECT w.id FROM relations r "
        f"JOIN {sql.by_index(tx.dialect, 'tasks t', 'ix_tasks_issue')} "
        "ON t.installation_id = :i AND t.issue_id = r.target_id "
        f"JOIN {sql.by_index(tx.dialect, 'workflows w', 'ix_workflows_parent')} "
        "ON w.installation_id = :i AND w.parent_task_id = t.id "
        "WHERE r.installation_id = :i AND r.kind = 'parent' AND r.source_id = :issue "
        "AND w.state = 'running'",
        i=installation_id,
        issue=issue_id,
    )
    return sorted(row["id"] for row in rows)
