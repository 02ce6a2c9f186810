"""What the holder of a step's task needs of its workflow."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from bot.kernel.operation import Context
from bot.workflows.execution import shared_values
from store.tables.workflows import WorkflowNeedRow, WorkflowRow, WorkflowStepRow
from store.tasks.tasks import FullTask
from store.workflows import needs, steps, workflows

# Characters of one value; get_context has the whole.
LONGEST = 2_000


class StepBlock(BaseModel):
    workflow: str = Field(description="its id")
    step: str
    item: str | None = Field(
        None, description="its entry of the list", exclude_if=lambda item: item is None
    )
    inputs: dict[str, Any] = {}
    needs: dict[str, dict[str, Any]] = Field({}, description="the outputs of the steps before it")
    gives: list[str] = Field(
        [], description="the `outputs` to complete it with", exclude_if=lambda names: not names
    )
    context: str | None = Field(None, description="get_context has all outputs")
    problem: str | None = Field(
        None, description="what is wrong with the values", exclude_if=lambda text: text is None
    )


async def of_task(ctx: Context, task: FullTask) -> StepBlock | None:
    """None if the task is no step of a workflow."""
    here = (ctx.tx, ctx.installation_id)
    row = await steps.of_task(*here, task["id"])
    workflow = await workflows.get(*here, row["workflow_id"]) if row else None
    if row is None or workflow is None:
        return None
    document = await shared_values.read(ctx, workflow)
    before = _before(row["step"], await needs.of_workflow(*here, workflow["id"]))
    given = {key: document.outputs[key] for key in sorted(before & document.outputs.keys())}
    return StepBlock(
        workflow=workflow["id"],
        step=row["step"],
        item=_item(row, workflow),
        inputs=_short(document.inputs),
        needs={key: _short(values) for key, values in given.items()},
        gives=row["definition"].get("outputs", []),
        context=workflow["context_id"],
        problem=document.problem,
    )


def _item(row: WorkflowStepRow, workflow: WorkflowRow) -> str | None:
    """The entry of the list for which an `each` step was made; its key ends with the place."""
    name = row["definition"].get("each")
    entries = workflow["inputs"].get(name) if name else None
    place = row["step"].rpartition("-")[2]
    if not isinstance(entries, list) or not place.isdecimal() or int(place) > len(entries):
        return None
    return str(entries[int(place) - 1])


async def outputs_of(ctx: Context, task: FullTask) -> dict[str, Any]:
    """The outputs of the task's step; nothing if it is no step."""
    here = (ctx.tx, ctx.installation_id)
    row = await steps.of_task(*here, task["id"])
    workflow = await workflows.get(*here, row["workflow_id"]) if row else None
    if row is None or workflow is None:
        return {}
    document = await shared_values.read(ctx, workflow)
    return _short(dict(document.outputs.get(row["step"], {})))


def _before(step: str, edges: Sequence[WorkflowNeedRow]) -> set[str]:
    """The steps that it needs, and what those need: a gate between two steps hides nothing."""
    found: set[str] = set()
    ahead = {step}
    while ahead:
        ahead = {each["needs"] for each in edges if each["step"] in ahead} - found
        found |= ahead
    return found


def _short(values: dict[str, Any]) -> dict[str, Any]:
    """The values; of a long one its beginning, as a text."""
    return {name: _beginning(value) for name, value in values.items()}


def _beginning(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
