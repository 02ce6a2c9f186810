"""Mirrored check runs and workflow runs."""

from typing import Annotated

from store.tables.columns import KEY, Index, Mirrored, Table, Text


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
)
