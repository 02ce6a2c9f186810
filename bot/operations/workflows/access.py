"""The workflow that a caller names, within the caller's reach."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bot.errors import Refused
from bot.kernel.operation import Context, issue_reference
from bot.operations.tasks.access import visible_task
from store.tables.workflows import WorkflowRow
from store.workflows import workflows

WorkflowRef = Annotated[
    str,
    Field(max_length=300, description="its id, or parent owner/repo#12"),
    AfterValidator(issue_reference),
]


async def visible_workflow(ctx: Context, ref: str) -> WorkflowRow:
    """The workflow with this id, or the newest one of this parent. Raise Refused."""
    here = (ctx.tx, ctx.installation_id)
    if "#" not in ref:
        row = await workflows.get(*here, ref)
        reach = ctx.actor.known_repositories
        if row is None or (reach is not None and row["repository_id"] not in reach):
            raise unknown_workflow(ref)
        return row
    parent = await visible_task(ctx, ref)
    for newest in await workflows.of_parent(*here, parent["id"], 1):
        return newest
    raise unknown_workflow(ref)


def unknown_workflow(ref: str) -> Refused:
    return Refused(
        "unknown_workflow",
        f"There is no workflow {ref!r} that you may see. list_workflows lists them.",
    )
