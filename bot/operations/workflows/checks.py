"""Checks the text of a workflow file, before anybody commits it."""

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context, operation
from bot.kernel.yaml_file import Unreadable
from bot.tools import planned_calls
from bot.workflows.definitions import definition_file, output_hints
from bot.workflows.definitions.definition import Definition, Step

FileText = Annotated[str, Field(max_length=definition_file.RULES.longest, description="YAML")]


class GraphStep(BaseModel):
    step: str
    title: str
    needs: list[str] = []
    condition: str = Field("success", description="the key `if`")
    each: str | None = Field(None, description="the input with one task for each entry")
    gate: bool = Field(False, description="it waits for approval")
    tool: str | None = Field(None, description="the tool that Hubbub calls for it")
    compensates: bool = Field(False, description="it runs only if a step fails that names it")


class CheckedWorkflow(Answer):
    of_mirror = False

    valid: bool
    problems: list[str] = Field([], description="line N: where: what is wrong")
    inputs: list[str] = Field([], description="the inputs that must be passed")
    steps: list[GraphStep] = Field([], description="the graph, if the file is valid")
    tool_problems: list[str] = Field(
        [], description="the tools of steps that you could not call so now, and why"
    )
    hints: list[str] = Field([], description="outputs that a step may not get")


@operation(reads_only=True)
async def check_workflow(ctx: Context, text: FileText) -> CheckedWorkflow:
    """Check a workflow file before you commit it."""
    try:
        # A long text takes longer than others should wait.
        data = text.encode(errors="replace")
        found = await asyncio.to_thread(definition_file.parse, data)
    except Unreadable as exc:
        return CheckedWorkflow(valid=False, problems=list(exc.problems))
    return CheckedWorkflow(
        valid=True,
        inputs=[name for name, each in found.inputs.items() if each.is_required],
        steps=[_view(found, each) for each in found.steps],
        tool_problems=[why for each in found.steps for why in await _of_tool(ctx, each)],
        hints=output_hints.hints(found),
    )


async def _of_tool(ctx: Context, step: Step) -> list[str]:
    """A tool may be mounted later, so that this is no problem of the file."""
    if step.tool is None:
        return []
    here = (ctx.tx, ctx.actor, step.tool)
    if why := await planned_calls.problem_of_tool(*here):
        return [f"steps.{step.id}.tool: {why}"]
    found = await planned_calls.problems_of_arguments(*here, step.arguments)
    return [f"steps.{step.id}.arguments: {step.tool}: {each}" for each in found]


def _view(definition: Definition, step: Step) -> GraphStep:
    return GraphStep(
        step=step.id,
        title=step.title,
        needs=step.needs,
        condition=step.condition,
        each=step.each,
        gate=step.approve is not None,
        tool=step.tool,
        compensates=step.id in definition.compensations,
    )
