"""Mirrored check runs and workflow runs, and Hubbub's own check on pull requests."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, Default, Index, Mirrored, Table, Text


class CheckRunRow(Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    head_sha: Annotated[str, Text(64)]
    name: Annotated[str, Text(255)]
    app: Annotated[str, Text(100)]
    status: Annotated[str, Text(20)]
    conclusion: Annotated[str | None, Text(40)]
    started_at: int | None
    completed_at: int | None
    # Where its log is, as its App says.
    url: Annotated[str, Text(500), Default("''")]


class WorkflowRunRow(Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    workflow_id: int
    name: Annotated[str, Text(255)]
    title: Annotated[str, Text(1024)]
    event: Annotated[str, Text(80)]
    head_branch: Annotated[str, Text(255)]
    head_sha: Annotated[str, Text(64)]
    run_number: int
    run_attempt: int
    status: Annotated[str, Text(20)]
    conclusion: Annotated[str | None, Text(40)]
    created_at: int
    updated_at: int


class WorkflowJobRow(Mirrored):
    installation_id: Annotated[int, KEY]
    id: Annotated[int, KEY]
    repository_id: int
    run_id: int
    run_attempt: int
    name: Annotated[str, Text(255)]
    head_sha: Annotated[str, Text(64)]
    status: Annotated[str, Text(20)]
    conclusion: Annotated[str | None, Text(40)]
    started_at: int | None
    completed_at: int | None
    url: Annotated[str, Text(500), Default("''")]
    # The names of its steps that failed, one a line.
    failed_steps: Annotated[str, Text(500), Default("''")]


class HeadCheckRow(TypedDict):
    """Hubbub's own check on a commit that is the head of open pull requests."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    head_sha: Annotated[str, KEY, Text(64)]
    # What GitHub shows, or will once the queued write is sent. Empty: it still waits for data.
    conclusion: Annotated[str, Text(20)]
    # The hash of the conclusion and the text.
    digest: Annotated[str, Text(64)]
    # GitHub's id of the check run, once it was made.
    check_run_id: int | None
    at: int


class CheckOverrideRow(TypedDict):
    """A person decided that the check of a pull request passes in spite of these rules."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    number: Annotated[int, KEY]
    decided_by: Annotated[str, Text(120)]
    note: Annotated[str, Text(500)]
    # The names of the rules, separated by spaces.
    rules: Annotated[str, Text(200)]
    at: int


TABLES = (
    Table(
        "check_runs",
        CheckRunRow,
        Index("ix_check_runs_head", "installation_id", "repository_id", "head_sha"),
    ),
    Table(
        "workflow_runs",
        WorkflowRunRow,
        Index("ix_workflow_runs_head", "installation_id", "repository_id", "head_sha"),
    ),
    Table(
        "workflow_jobs",
        WorkflowJobRow,
        Index("ix_workflow_jobs_run", "installation_id", "repository_id", "run_id"),
    ),
    Table(
        "head_checks",
        HeadCheckRow,
        Index("ix_head_checks_at", "at"),
        Index("ix_head_checks_newest", "installation_id", "conclusion", "at"),
    ),
    Table("check_overrides", CheckOverrideRow),
)
