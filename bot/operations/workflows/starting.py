"""Starting a workflow: a parent issue, a sub-issue for each step, and what they wait for."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from bot.comments import workflow_texts
from bot.identity.actors import BOT
from bot.kernel.operation import Answer, Context, RepositoryName, Slash, TaskRef, operation
from bot.operations.tasks import planning
from bot.operations.tasks.planned_tasks import PlannedStep, PlannedTask
from bot.operations.tasks.planning import Made
from bot.operations.workflows import (
    definitions,
    input_words,
    parents,
    start_checks,
    tool_starts,
)
from bot.repository.workflow_paths import path_of
from bot.tasks import lookup
from bot.times import minute
from bot.workflows.definitions import expansion, input_values
from bot.workflows.definitions.expansion import ExpandedStep
from bot.workflows.execution import shared_values, workflow_log
from bot.workflows.starting import first_holds, first_rows, parent_text
from bot.workflows.starting.first_rows import Start
from store.tables.mirror import RepositoryRow
from store.tables.workflows import WorkflowDefinitionRow, WorkflowRow
from store.tasks.tasks import FullTask
from store.workflows import workflows

WorkflowName = Annotated[
    str, Field(min_length=1, max_length=100, description="its file's name, without .yml")
]
# The parent's key among the tasks to make. No step can have it.
PARENT = "the parent issue"


class StartedStep(BaseModel):
    step: str
    task: str = Field(description="its id; owner/repo#12 names it once GitHub has numbered it")
    waits_for: list[str] = Field([], exclude_if=lambda names: not names)
    on_hold: str | None = Field(None, exclude_if=lambda why: why is None)


class StartedWorkflow(Answer):
    id: str = Field(description="of the workflow")
    parent: str = Field(description="the task whose sub-issues are the steps")
    steps: list[StartedStep]
    writes: int = Field(description="how many changes go to GitHub for it")
    expected_at: str | None = Field(None, description="when GitHub should have all of it")
    hint: str | None = Field(None, exclude_if=lambda hint: hint is None)


def _reply(answer: StartedWorkflow) -> str:
    ready = [each.step for each in answer.steps if not each.waits_for and not each.on_hold]
    return workflow_texts.start_reply(answer.id, len(answer.steps), ready, answer.hint)


RUN = Slash(
    "run",
    "start a workflow with this issue as its parent",
    ("name", "inputs"),
    reply=_reply,
    shown="workflow",
    required=True,
    collect=input_words.collect,
    rest="input=value …",
    choices=definitions.choices,
)


@operation(reaches_github=True, slashes=(RUN,))
async def start_workflow(
    ctx: Context,
    name: WorkflowName,
    repository: RepositoryName | None = None,
    task: Annotated[TaskRef | None, Field(description="the parent; none: a new issue")] = None,
    inputs: Annotated[dict[str, Any], Field(max_length=20, description="values by name")] = {},  # noqa: B006 - pydantic copies it
) -> StartedWorkflow:
    """Start a workflow: its steps become tasks, in order."""
    where, parent = await parents.place(ctx, repository, task)
    row = await definitions.find(ctx, where, name)
    start_checks.check_repository(where)
    if parent is not None:
        await parents.check_free(ctx, parent, row["name"])
    start = _start(ctx, where, row, inputs)
    await start_checks.check_named(ctx, start)
    await start_checks.check_may_spawn(ctx, start)
    unready = await tool_starts.check(ctx, start)
    workflow, made = await begin(ctx, where, start, parent)
    hints = (_hint(row), unready, await start_checks.lacking_capabilities(ctx, start))
    return _answer(start, workflow, parent, made, " ".join(filter(None, hints)) or None)


def _start(
    ctx: Context, where: RepositoryRow, row: WorkflowDefinitionRow, given: dict[str, Any]
) -> Start:
    definition = definitions.parse(row)
    if ctx.in_comment:
        given = input_values.from_words(definition, given)
    values = input_values.complete(definition, given)
    return Start(
        repository_id=where["id"],
        name=row["name"],
        definition=definition,
        inputs=values,
        steps=expansion.expand(definition, given),
        by=ctx.actor.name,
        given=given,
        when=minute(ctx.now) if ctx.actor.name == BOT else "",
        role=tool_starts.role_of(ctx.actor, where["id"]),
    )


async def begin(
    ctx: Context, where: RepositoryRow, start: Start, parent: FullTask | None
) -> tuple[WorkflowRow, dict[str, Made]]:
    """Make the tasks and the rows of a workflow that was checked. Raise Refused.

    `parent`: the locked task that becomes the parent. Without one a new issue is made.
    """
    held = first_holds.of(start.definition, start.steps)
    planned = _plan(start, parent)
    await start_checks.check_size(ctx, start, parent)
    made = await planning.make(ctx, where, planned, duplicate_ok=True, held=held)
    ids = {key: each.task_id for key, each in made.items()}
    parent_id = parent["id"] if parent else ids[PARENT]
    workflow = await first_rows.add(ctx.tx, ctx.installation_id, start, parent_id, ids)
    steps = [ids[each.key] for each in start.steps]
    context_id = await shared_values.create(ctx, workflow, steps)
    workflow = await workflows.change(ctx.tx, workflow, context_id=context_id)
    await workflow_log.record(ctx.tx, workflow, "workflow.started", ctx.actor.name, slot=start.slot)
    # What can begin at once is decided like all that follows, in this transaction.
    ctx.tx.changed_tasks.add((ctx.installation_id, parent_id))
    return workflow, made


def _plan(start: Start, parent: FullTask | None) -> dict[str, PlannedTask]:
    above = parent["id"] if parent else PARENT
    planned: dict[str, PlannedTask] = {}
    if parent is None:
        body = parent_text.body(start.name, start.definition, start.inputs, start.steps)
        title = parent_text.title(start.name, start.definition, start.given, start.when)
        planned[PARENT] = PlannedStep(id=PARENT, title=title, body=body)
    return planned | {each.key: _task(each, above) for each in start.steps}


def _task(each: ExpandedStep, above: str) -> PlannedTask:
    step = each.step
    return PlannedStep(
        id=each.key,
        title=each.title,
        body=tool_starts.body(each) if step.tool else each.body,
        priority=step.priority,
        size=step.size,
        capabilities=step.capability,
        labels=step.labels,
        blocked_by=list(each.needs),
        parent=above,
    )


def _hint(row: WorkflowDefinitionRow) -> str | None:
    if row["problem"] is None:
        return None
    return (
        f"The newest version of {path_of(row['name'])} is not valid, so the last valid "
        f"one was started. {row['problem']}"
    )


def _answer(
    start: Start,
    workflow: WorkflowRow,
    parent: FullTask | None,
    made: dict[str, Made],
    hint: str | None,
) -> StartedWorkflow:
    held = first_holds.of(start.definition, start.steps)
    writes = [write for each in made.values() for write in each.writes]
    return StartedWorkflow(
        id=workflow["id"],
        parent=lookup.name(parent) if parent else workflow["parent_task_id"],
        steps=[
            StartedStep(
                step=each.key,
                task=made[each.key].task_id,
                waits_for=list(each.needs),
                on_hold=held.get(each.key),
            )
            for each in start.steps
        ],
        writes=len(writes),
        expected_at=max((each.expected_at or "" for each in writes), default="") or None,
        hint=hint,
    )
