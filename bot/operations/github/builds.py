"""Check runs that agents report, and workflows that tech-leads start."""

from typing import Annotated, Any, Literal

from pydantic import Field

from bot.comments import replies
from bot.errors import Refused
from bot.kernel.operation import Context, RepositoryName, operation
from bot.kernel.patterns import Shape
from bot.operations.arguments import NOT_BLANK, Branch, Sha
from bot.operations.github import check_names
from bot.operations.github.writing import Writes, write
from bot.operations.tasks.access import visible_repository
from bot.repository.run_settings import RUN_INPUT

Conclusion = Literal["success", "failure", "neutral", "cancelled", "skipped", "timed_out"]
Workflow = Annotated[
    str,
    # A bound in the pattern would take a tenth of the process's start to compile.
    Field(max_length=200, description="its file, such as agent.yml"),
    Shape(r"^[\w.-]+$", "must be the name of a file in .github/workflows, such as agent.yml"),
]
Inputs = Annotated[
    dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=65_000)]],
    Field(max_length=25),
]


@operation(reaches_github=True)
async def github_report_check(
    ctx: Context,
    repository: RepositoryName,
    sha: Sha,
    name: Annotated[
        str, Field(min_length=1, max_length=100, description="the check's name"), NOT_BLANK
    ],
    conclusion: Annotated[
        Conclusion | None, Field(description="omit while it is in progress")
    ] = None,
    title: Annotated[str, Field(max_length=250, description="one line")] = "",
    summary: Annotated[str, Field(max_length=60_000, description="Markdown")] = "",
) -> Writes:
    """Report the result of a check on a commit."""
    where = await visible_repository(ctx, repository)
    await check_names.check_free(ctx, where, sha, name)
    # All agents are one App on GitHub, and anybody may report on anybody's commit.
    signed = summary if ctx.actor.is_person else replies.with_author(summary, ctx.actor.name)
    arguments: dict[str, Any] = {
        "name": name,
        "head_sha": sha,
        "status": "completed" if conclusion else "in_progress",
        "output": {"title": title or name, "summary": signed.strip()},
    }
    if conclusion:
        arguments["conclusion"] = conclusion
    return await write(ctx, "check_run", where, check_names.target(where, sha, name), arguments)


@operation(reaches_github=True)
async def github_run_workflow(
    ctx: Context,
    repository: RepositoryName,
    workflow: Workflow,
    ref: Annotated[Branch | None, Field(description="default: the default branch")] = None,
    inputs: Annotated[Inputs, Field(description="inputs of workflow_dispatch")] = {},  # noqa: B006 - pydantic copies it
) -> Writes:
    """Start a workflow that has workflow_dispatch. The result has the run's id."""
    where = await visible_repository(ctx, repository)
    if RUN_INPUT in inputs:
        # Its job could take the place of an agent run that has just been dispatched.
        raise Refused(
            "invalid_arguments",
            f"`inputs`: Hubbub passes {RUN_INPUT} itself. Start an agent run with spawn_agent.",
        )
    arguments = {"workflow": workflow, "ref": ref or where["default_branch"], "inputs": inputs}
    return await write(
        ctx, "workflow_dispatch", where, f"workflow {where['id']} {workflow}", arguments
    )


@operation(reaches_github=True, idempotent=True, destructive=True)
async def github_cancel_workflow(
    ctx: Context,
    repository: RepositoryName,
    run_id: Annotated[int, Field(ge=1, lt=2**63, description="the run's id")],
) -> Writes:
    """Cancel a workflow run. A run that has ended stays as it is."""
    where = await visible_repository(ctx, repository)
    return await write(
        ctx, "workflow_cancel", where, f"run {where['id']} {run_id}", {"run_id": run_id}
    )
