"""What a claim needs to know beside the task, in one statement."""

from typing import Any, TypedDict, cast

from store.engine.transaction import Tx
from store.mirror import text_policies
from store.mirror.stored_issues import ThreadText
from store.tables.agents import Role
from store.tasks import spend_holds
from store.tasks.blocking import HAS_PLANNED_RELATION
from store.tasks.pull_tasks import HAS_PULLS
from store.tasks.ready import ROLE
from store.tasks.tasks import FullTask

# Relations that keep a task waiting, or that show it on the card of its parent.
RELATIONS = " OR ".join(
    f"EXISTS (SELECT 1 FROM relations b WHERE b.installation_id = t.installation_id "
    f"AND b.kind = '{kind}' AND b.{end}_id = t.issue_id)"
    for kind, end in (("blocked_by", "source"), ("parent", "source"), ("parent", "target"))
)
NOTICES = (
    "EXISTS (SELECT 1 FROM notices n WHERE n.installation_id = t.installation_id "
    "AND n.agent_id = :me AND n.seen_at IS NULL AND n.subject = t.id)"
)
EDITS = (
    "EXISTS (SELECT 1 FROM writes w WHERE w.installation_id = t.installation_id "
    "AND w.target = :card)"
)
# The fact from which the fences of tasks go on that were never claimed. A restore sets it.
FIRST_FENCE = "first fence"
FIRST = (
    "(SELECT f.value FROM installation_facts f WHERE f.installation_id = t.installation_id "
    f"AND f.name = '{FIRST_FENCE}')"
)
# The lowest role of an agent that may take it, if its step names one.
STEP_ROLE = (
    f"(SELECT {ROLE} FROM workflow_steps z WHERE z.installation_id = t.installation_id "
    "AND z.task_id = t.id)"
)
STEP = (
    "EXISTS (SELECT 1 FROM workflow_steps z WHERE z.installation_id = t.installation_id "
    "AND z.task_id = t.id)"
)
TEXT = tuple(ThreadText.__annotations__)
QUERY = (
    f"SELECT {', '.join(f'i.{column}' for column in TEXT)}, s.settings, r.private, "
    f"{text_policies.was_edited('t')} AS was_edited, "
    f"({RELATIONS} OR {HAS_PLANNED_RELATION}) AS has_relations, "
    f"{NOTICES} AS has_notices, {EDITS} AS has_edits, {HAS_PULLS} AS has_pulls, "
    f"{STEP} AS is_step, {STEP_ROLE} AS step_role, {spend_holds.is_drained('me')} AS is_drained, "
    f"{FIRST} AS first_fence "
    "FROM tasks t "
    "LEFT JOIN issues i ON i.installation_id = t.installation_id "
    "AND i.repository_id = t.repository_id AND i.number = t.number AND i.deleted = 0 "
    "LEFT JOIN repositories r ON r.installation_id = t.installation_id AND r.id = t.repository_id "
    "LEFT JOIN repository_settings s ON s.installation_id = t.installation_id "
    "AND s.repository_id = t.repository_id "
    "WHERE t.installation_id = :i AND t.id = :t"
)


class ClaimState(TypedDict):
    """`text`: the first text of its issue, if the mirror has it. `settings`: of its repository.

    `private`: whether the repository is. `was_edited`: whether any text of the issue was edited.
    `has_relations`: whether it may wait for others, or has a parent. `has_notices`: whether the
    claimer has unseen notices about it. `has_edits`: whether its card was ever written.
    `has_pulls`: whether it may have pull requests. `is_step`: whether it is a workflow's, and
    `step_role` the lowest role that its step asks for.
    `is_drained`: whether a cap on spend forbids the claim.
    `first_fence`: the fence before the first one of a task, 0 unless there was a restore.
    """

    text: ThreadText | None
    settings: str | None
    private: int
    was_edited: int
    has_relations: int
    has_notices: int
    has_edits: int
    has_pulls: int
    is_step: int
    step_role: Role | None
    is_drained: int
    first_fence: int


async def of(tx: Tx, task: FullTask, me: str, card: str) -> ClaimState:
    """For a claim by `me`. `card`: the target of the writes of the task's card."""
    row: Any = await tx.one(QUERY, i=task["installation_id"], t=task["id"], me=me, card=card)
    text: Any = {column: row[column] for column in TEXT}
    return {
        "text": None if text["id"] is None else text,
        "settings": row["settings"],
        "private": row["private"],
        "was_edited": row["was_edited"],
        "has_relations": row["has_relations"],
        "has_notices": row["has_notices"],
        "has_edits": row["has_edits"],
        "has_pulls": row["has_pulls"],
        "is_step": row["is_step"],
        "step_role": _role(row["step_role"]),
        "is_drained": row["is_drained"],
        "first_fence": int(row["first_fence"] or 0),
    }


def _role(found: str | None) -> Role | None:
    """From JSON, which has quotation marks but on SQLite."""
    role: Any = found.strip('"') if found else None
    return cast("Role | None", role)
