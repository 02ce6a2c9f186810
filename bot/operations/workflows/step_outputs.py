"""The outputs with which the holder of a step's task completes it."""

from collections.abc import Mapping
from typing import Any

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.tasks import lookup
from bot.workflows.execution import shared_values
from store.tasks.tasks import FullTask
from store.workflows import steps, workflows


async def keep(
    ctx: Context, task: FullTask, status: str, outputs: Mapping[str, Any] | None
) -> None:
    """Check the outputs of a report, and add them to the workflow's context. Raise Refused."""
    if status != "completed":
        if outputs is not None:
            raise Refused(
                "invalid_arguments", "Pass `outputs` only with `status` completed. Nothing changed."
            )
        return
    here = (ctx.tx, ctx.installation_id)
    row = await steps.of_task(*here, task["id"])
    if row is None:
        if outputs is not None:
            raise Refused(
                "invalid_arguments",
                f"{lookup.name(task)} is no step of a workflow, so it has no outputs. Pass the "
                "outcome as `result`. Nothing was changed.",
            )
        return
    given = shared_values.check(row, outputs)
    workflow = await workflows.lock(*here, row["workflow_id"])
    if workflow is not None:
        await shared_values.put_outputs(ctx, workflow, row["step"], given)
