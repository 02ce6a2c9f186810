"""What keeps a task waiting for others, as conditions on the tasks `t`."""

# A task is not ready while a blocker or a sub-issue is open. If the mirror does not have that
# issue, the state that the relation recorded counts. Issues that block each other in a cycle do
# not wait.
NONE_OPEN = (
    "NOT EXISTS (SELECT 1 FROM relations b LEFT JOIN issues i "
    "ON i.installation_id = b.installation_id AND i.id = b.{awaited}_id "
    "WHERE b.installation_id = t.installation_id AND b.kind = '{kind}' AND b.cyclic = 0 "
    "AND b.{waits}_id = t.issue_id AND COALESCE(i.deleted, 0) = 0 "
    "AND COALESCE(i.state, b.{awaited}_state) = 'open')"
)
NO_OPEN_RELATION = (
    NONE_OPEN.format(kind="blocked_by", waits="source", awaited="target")
    + " AND "
    + NONE_OPEN.format(kind="parent", waits="target", awaited="source")
)
# Nor is it ready while GitHub lacks one of its relations, which may be to an open issue.
NO_PLANNED_RELATION = (
    "NOT EXISTS (SELECT 1 FROM planned_relations p WHERE p.installation_id = t.installation_id "
    "AND p.task_id = t.id)"
)
UNBLOCKED = f"{NO_OPEN_RELATION} AND {NO_PLANNED_RELATION}"
