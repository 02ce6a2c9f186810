"""Tasks, and the leases on them."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Default, Flag, Index, Json, Table, Text

TaskState: TypeAlias = Literal[
    "pending", "assigned", "in_progress", "in_review", "completed", "failed", "cancelled"
]

# What shows that the holder of a lease knows of it, as the answer to the claim may be lost:
# nothing, that it claimed the task by its name, or that it passed the fence.
UNKNOWN, NAMED, CONFIRMED = range(3)


class TaskRow(TypedDict):
    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    repository_id: int
    issue_id: int | None
    number: int | None
    title: Annotated[str, Text(1024)]
    state: Annotated[TaskState, Text(20)]
    held: Annotated[Flag, Default("0")]
    priority: Annotated[int, SMALL]
    capabilities: Json
    assigned_to: Annotated[str | None, Text(120)]
    # The live lease, if any. One row names at most one, so a task has at most one.
    lease_id: Annotated[str | None, Text(40)]
    holder: Annotated[str | None, Text(120)]
    fence: Annotated[int, Default("0")]
    failures: Annotated[int, SMALL, Default("0")]
    progress: Annotated[int, SMALL, Default("0")]
    note: str | None
    result: str | None
    branch: Annotated[str | None, Text(255)]
    pull_number: int | None
    card_comment_id: int | None
    created_at: int
    updated_at: int
    # The two agents that only answered each other until Hubbub stopped them.
    loop_between: Annotated[str | None, Text(300)]
    # small 0, medium 1, large 2.
    size: Annotated[int | None, SMALL]
    held_by: Annotated[str | None, Text(120)]
    held_why: Annotated[str | None, Text(500)]
    assigned_by: Annotated[str | None, Text(120)]
    assigned_at: int | None
    # The last decision of somebody other than the holder: it ended, retried or took the task.
    decision: Annotated[str | None, Text(600)]
    # When somebody retried the task. What was closed before does not end it.
    retried_at: int | None
    # The holder's question to people that is not answered yet.
    question: str | None
    asked_at: int | None
    # When Hubbub put it on hold, because its leases kept expiring or failing.
    stuck_at: int | None
    # Who held the task last, or holds it.
    last_holder: Annotated[str | None, Text(120)]
    # When somebody decided to end the task. An issue that was reopened before stays ended.
    ended_at: int | None
    # The lease under which note and progress were reported last.
    reported_under: Annotated[str | None, Text(40)]
    # Who wrote the title, if GitHub does not call the author an owner, member or collaborator.
    outsider: Annotated[str | None, Text(100)]
    # When the reservation ends; without it, a day after `assigned_at`.
    assigned_until: int | None
    # Its place among ready tasks of one priority: when it was created, or when it comes among the
    # steps of its workflow.
    queued_at: Annotated[int, Default("0")]


class LeaseRow(TypedDict):
    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    task_id: Annotated[str, Text(40)]
    holder: Annotated[str, Text(120)]
    fence: int
    state: Annotated[str, Text(20)]
    lease_s: int
    expires_at: int | None
    granted_at: int
    renewed_at: int
    ended_at: int | None
    ended_why: Annotated[str | None, Text(200)]
    # The paths that the holder plans to touch; overlaps are found by them.
    paths: Json | None
    # One of UNKNOWN, NAMED and CONFIRMED.
    known: Annotated[int, SMALL, Default("2")]


class PlannedRelationRow(TypedDict):
    """A relation of the task that GitHub does not have yet. The write `write_id` makes it."""

    installation_id: Annotated[int, KEY]
    task_id: Annotated[str, KEY, Text(40)]
    write_id: Annotated[str, KEY, Text(40)]


class DigestRow(TypedDict):
    """The digest that a repository asks for: the comment on an issue that lists its tasks."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    number: int
    every: Annotated[str, Text(10)]
    next_at: int
    # The write that posted the comment, the comment once its id is known, and a hash of its text.
    write_id: Annotated[str | None, Text(40)]
    comment_id: int | None
    shown: Annotated[str | None, Text(20)]


TABLES = (
    Table(
        "tasks",
        TaskRow,
        # In the order in which `store.tasks.tasks` walks them: no query sorts all tasks.
        Index(
            "ix_tasks_best", "installation_id", "state", "priority", "failures", "queued_at", "id"
        ),
        Index(
            "ix_tasks_best_in",
            "installation_id",
            "repository_id",
            "state",
            "priority",
            "failures",
            "queued_at",
            "id",
        ),
        Index("ix_tasks_newest", "installation_id", "state", "created_at", "id"),
        Index(
            "ix_tasks_newest_in", "installation_id", "repository_id", "state", "created_at", "id"
        ),
        Index("ix_tasks_changed", "installation_id", "state", "updated_at", "id"),
        Index(
            "ix_tasks_changed_in", "installation_id", "repository_id", "state", "updated_at", "id"
        ),
        Index("ix_tasks_newest_of", "installation_id", "holder", "state", "created_at", "id"),
        Index("ix_tasks_last_of", "installation_id", "last_holder", "state", "created_at", "id"),
        Index("ix_tasks_reserved", "state", "assigned_at"),
        Index("ix_tasks_reserved_until", "state", "assigned_until"),
        Index("ix_tasks_reserved_for", "installation_id", "assigned_to"),
        Index("ix_tasks_held", "installation_id", "repository_id", "held"),
        Index("ix_tasks_stuck", "installation_id", "stuck_at"),
        Index("ix_tasks_asked", "installation_id", "asked_at"),
        Index("ix_tasks_number", "installation_id", "repository_id", "number"),
        Index("ix_tasks_pull", "installation_id", "repository_id", "pull_number"),
        Index("ix_tasks_branch", "installation_id", "repository_id", "branch"),
        Index("ix_tasks_issue", "installation_id", "issue_id", unique=True),
        Index("ix_tasks_ended", "installation_id", "repository_id", "ended_at"),
        Index("ix_tasks_ended_of_all", "installation_id", "ended_at"),
    ),
    Table(
        "leases",
        LeaseRow,
        Index("ix_leases_expiry", "state", "expires_at"),
        Index("ix_leases_holder", "installation_id", "holder", "state", "ended_at"),
        Index("ix_leases_task", "installation_id", "task_id", "fence"),
        Index("ix_leases_live", "installation_id", "state", "task_id"),
        Index("ix_leases_ended", "installation_id", "ended_at"),
        Index("ix_leases_expired", "installation_id", "state", "ended_at"),
    ),
    Table(
        "planned_relations",
        PlannedRelationRow,
        Index("ix_planned_relations_write", "installation_id", "write_id"),
    ),
    Table("digests", DigestRow, Index("ix_digests_next", "next_at")),
)
