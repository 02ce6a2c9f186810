"""What keeps a task waiting for others, as conditions on the tasks `t`."""

from functools import cache

from store.engine import sql

# A task is not ready while a blocker or a sub-issue is open. If the mirror does not have that
# issue, the state that the relation recorded counts. Issues that block each other in a cycle do
# not wait.
NONE_OPEN = (
    "NOT EXISTS (SELECT 1 FROM {relations} LEFT JOIN issues i "
    "ON i.installation_id = b.installation_id AND i.id = b.{awaited}_id "
    "WHERE b.installation_id = t.installation_id AND b.kind = '{kind}' AND b.cyclic = 0 "
    "AND b.{waits}_id = t.issue_id AND COALESCE(i.deleted, 0) = 0 "
    "AND COALESCE(i.state, b.{awaited}_state) = 'open')"
)
# Nor is it ready while GitHub lacks one of its relations, which may be to an open issue.
HAS_PLANNED_RELATION = (
    "EXISTS (SELECT 1 FROM planned_relations p WHERE p.installation_id = t.installation_id "
    "AND p.task_id = t.id)"
)


@cache
def waits_for_nothing(dialect: sql.Dialect) -> str:
    """SQL: the task waits for nothing."""
    blockers = NONE_OPEN.format(
        relations=sql.by_index(dialect, "relations b", "PRIMARY"),
        kind="blocked_by",
        waits="source",
        awaited="target",
    )
    children = NONE_OPEN.format(
        relations=sql.by_index(dialect, "relations b", "ix_relations_target"),
        kind="parent",
        waits="target",
        awaited="source",
    )
    return f"{blockers} AND {children} AND NOT {HAS_PLANNED_RELATION}"
