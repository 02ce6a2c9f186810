"""Workflows of several tasks: their definitions, those that were started, and their steps."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Default, Index, Json, Table, Text

WorkflowState: TypeAlias = Literal["running", "completed", "failed", "cancelled"]
StepState: TypeAlias = Literal[
    "waiting",
    "open",
    "completed",
    "failed",
    "skipped",
    "cancelled",
    # A person took its issue out of the workflow.
    "removed",
]


class WorkflowDefinitionRow(TypedDict):
    """A file in .github/hubbub/workflows on the default branch."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    # The name of the file, without its ending.
    name: Annotated[str, KEY, Text(60)]
    # The blob and the content of the last version that was valid.
    sha: Annotated[str | None, Text(64)]
    definition: Json | None
    # What is wrong with the newest version, and its blob.
    problem: str | None
    problem_sha: Annotated[str | None, Text(64)]
    read_at: int


class WorkflowRow(TypedDict):
    """One workflow that was started. `definition` is the whole file as it was then."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    repository_id: int
    name: Annotated[str, Text(60)]
    definition: Json
    inputs: Json
    parent_task_id: Annotated[str, Text(40)]
    # A person with @, the id of an agent, or Hubbub itself.
    started_by: Annotated[str, Text(120)]
    state: Annotated[WorkflowState, Text(20)]
    # Why it is in this state: one sentence.
    why: Annotated[str | None, Text(600)]
    context_id: Annotated[str | None, Text(40)]
    # The most steps that are open at the same time.
    most_open: Annotated[int, SMALL]
    # If a schedule started it: the time for which it stands.
    schedule_slot: int | None
    # The role in the repository that it was started with: its tools are called with no higher one.
    started_role: Annotated[str | None, Text(20)]
    created_at: int
    updated_at: int
    ended_at: int | None


class WorkflowStepRow(TypedDict):
    """One step. It is a task, whose issue is a sub-issue of the parent.

    `definition` is the step as it was expanded: with its texts filled in.
    """

    installation_id: Annotated[int, KEY]
    workflow_id: Annotated[str, KEY, Text(40)]
    step: Annotated[str, KEY, Text(60)]
    task_id: Annotated[str, Text(40)]
    # Its place in the file: 0 is the first.
    place: Annotated[int, SMALL]
    definition: Json
    state: Annotated[StepState, Text(20)]
    attempts: Annotated[int, SMALL, Default("0")]
    # The version of the workflow's context when the step could begin.
    context_version: int | None
    # When its time-out ends it. It has one from when it could begin.
    deadline_at: int | None
    opened_at: int | None
    ended_at: int | None
    # When a run is to be started for it.
    spawn_at: int | None
    # When its tool is to be called; during a call, when that counts as lost.
    call_at: int | None
    # The call that has begun. Without `call_at`: nobody knows what came of it.
    call_id: Annotated[str | None, Text(40)]


class WorkflowNeedRow(TypedDict):
    """`step` waits for `needs`. `released`: it goes on although that one did not succeed."""

    installation_id: Annotated[int, KEY]
    workflow_id: Annotated[str, KEY, Text(40)]
    step: Annotated[str, KEY, Text(60)]
    needs: Annotated[str, KEY, Text(60)]
    state: Annotated[Literal["present", "released"], Text(10)]


class StepOfferRow(TypedDict):
    """For whom a step was reserved when it became ready, or for whom a run is started, and why.

    A step without a lease since then is not offered again: `fence` is the task's at the offer.
    """

    installation_id: Annotated[int, KEY]
    task_id: Annotated[str, KEY, Text(40)]
    fence: int
    # NULL: nobody could take it, or a template.
    agent_id: Annotated[str | None, Text(64)]
    until_at: int | None
    why: Annotated[str, Text(600)]
    # The others, each with what speaks for or against it.
    considered: Json
    made_at: int


class WorkflowScheduleRow(TypedDict):
    """A definition with a `schedule`, and when it starts a workflow next."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    name: Annotated[str, KEY, Text(60)]
    schedule: Annotated[str, Text(100)]
    # NULL: never.
    next_at: int | None


TABLES = (
    Table("workflow_definitions", WorkflowDefinitionRow),
    Table(
        "workflows",
        WorkflowRow,
        Index("ix_workflows_parent", "installation_id", "parent_task_id", "created_at"),
        Index("ix_workflows_state", "installation_id", "state", "created_at", "id"),
        Index("ix_workflows_in", "installation_id", "repository_id", "state", "created_at", "id"),
        Index("ix_workflows_ended", "installation_id", "ended_at"),
        # A slot of a schedule starts one workflow.
        Index(
            "ix_workflows_slot",
            "installation_id",
            "repository_id",
            "name",
            "schedule_slot",
            unique=True,
        ),
    ),
    Table(
        "workflow_steps",
        WorkflowStepRow,
        Index("ix_workflow_steps_task", "installation_id", "task_id", unique=True),
        # Over all installations, for what happens by time.
        Index("ix_workflow_steps_deadline", "deadline_at"),
        Index("ix_workflow_steps_spawn", "spawn_at"),
        Index("ix_workflow_steps_call", "call_at"),
    ),
    Table("workflow_needs", WorkflowNeedRow),
    Table("step_offers", StepOfferRow),
    Table(
        "workflow_schedules", WorkflowScheduleRow, Index("ix_workflow_schedules_next", "next_at")
    ),
)
