"""Agent runs: workflow runs in GitHub Actions that each work as one agent."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.agents import Role
from store.tables.columns import KEY, SMALL, Default, Flag, Index, Json, Table, Text

RunState: TypeAlias = Literal[
    "queued",
    "dispatched",
    "running",
    "stopping",
    "succeeded",
    "failed",
    "cancelled",
    "not_started",
]
RunOutcome: TypeAlias = Literal["success", "failure"]


class AgentRunRow(TypedDict):
    """One run. `minutes`, `children`, `deepest`, `tokens` and `cost` are its limits.

    Each limit holds for the run and all runs below it; NULL is no limit. `children` is how many
    runs may ever be below it, `deepest` the greatest `depth` of one, `cost` is in millionths.
    """

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    repository_id: int
    template: Annotated[str, Text(40)]
    task_id: Annotated[str | None, Text(40)]
    prompt: str | None
    # The agent that the run works as. It registers when the job makes its first call.
    agent_id: Annotated[str, Text(64)]
    role: Annotated[Role, Text(20)]
    model: Annotated[str, Text(100)]
    priority: Annotated[int, SMALL]
    # As dispatched: the file in .github/workflows, the branch or tag, and the inputs.
    workflow: Annotated[str, Text(200)]
    ref: Annotated[str, Text(255)]
    inputs: Json
    # The run of the agent that asked for this one, and the run at the top of the tree.
    parent_id: Annotated[str | None, Text(40)]
    root_id: Annotated[str, Text(40)]
    depth: Annotated[int, SMALL]
    # A person with @, the id of an agent, or Hubbub itself.
    asked_by: Annotated[str, Text(120)]
    state: Annotated[RunState, Text(20)]
    # Why it ended so, or is stopping: one sentence.
    why: Annotated[str | None, Text(600)]
    # The write that dispatched it, and the workflow run bound to it, one to one.
    write_id: Annotated[str | None, Text(40)]
    workflow_run_id: int | None
    run_attempt: Annotated[int | None, SMALL]
    # What the agent reported.
    result: str | None
    result_is_final: Annotated[Flag, Default("0")]
    outcome: Annotated[RunOutcome | None, Text(20)]
    minutes: int | None
    children: int | None
    deepest: Annotated[int | None, SMALL]
    tokens: int | None
    cost: int | None
    # Of a run that a schedule started: the time for which it stands.
    schedule_slot: int | None
    created_at: int
    dispatched_at: int | None
    started_at: int | None
    ended_at: int | None
    # When its minutes end. A run has it from its start.
    deadline_at: int | None
    # When Hubbub looks at it next, and when it asked GitHub how the run is, until it knows.
    due_at: int | None
    asked_at: int | None
    # The last step of a stop: one of ASKED, CANCELLING and FORCING.
    stop_step: Annotated[int, SMALL, Default("0")]


# It was asked to stop; GitHub was asked to cancel it; GitHub was asked to do so by force.
ASKED, CANCELLING, FORCING = range(3)


class RunScheduleRow(TypedDict):
    """A template of the settings with a `schedule`, and when it starts a run next."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    template: Annotated[str, KEY, Text(40)]
    schedule: Annotated[str, Text(100)]
    # NULL: never.
    next_at: int | None


TABLES = (
    Table(
        "agent_runs",
        AgentRunRow,
        Index("ix_agent_runs_workflow", "installation_id", "workflow_run_id", unique=True),
        Index("ix_agent_runs_agent", "installation_id", "agent_id", unique=True),
        # A slot of a schedule starts one run.
        Index(
            "ix_agent_runs_slot",
            "installation_id",
            "repository_id",
            "template",
            "schedule_slot",
            unique=True,
        ),
        Index("ix_agent_runs_task", "installation_id", "task_id", "created_at"),
        Index("ix_agent_runs_ended", "installation_id", "state", "ended_at"),
        Index("ix_agent_runs_root", "installation_id", "root_id"),
        Index("ix_agent_runs_write", "installation_id", "write_id"),
        # In the order of the queue.
        Index(
            "ix_agent_runs_queue",
            "installation_id",
            "repository_id",
            "state",
            "priority",
            "created_at",
            "id",
        ),
        # Over all installations, for what happens by time.
        Index("ix_agent_runs_state", "state", "installation_id", "repository_id"),
        Index("ix_agent_runs_due", "due_at"),
    ),
    Table("run_schedules", RunScheduleRow, Index("ix_run_schedules_next", "next_at")),
)
