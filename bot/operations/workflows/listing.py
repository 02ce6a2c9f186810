"""Showing a workflow, and listing workflows and what can be started."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context, RepositoryName, operation
from bot.kernel.pagination import Cursor, Limit, decode, encode, wrong_cursor
from bot.kernel.yaml_file import Unreadable
from bot.operations.tasks.access import visible_repository
from bot.operations.workflows import definitions, views
from bot.operations.workflows.access import WorkflowRef, visible_workflow
from bot.operations.workflows.views import WorkflowLine, WorkflowView
from bot.tasks import lookup
from bot.workflows.definitions import stored_values
from bot.workflows.definitions.definition import Definition
from bot.workflows.execution.flow_state import ENDED as ENDED_STEPS
from store.tables.workflows import WorkflowRow, WorkflowState
from store.workflows import definitions as stored_definitions
from store.workflows import steps as stored_steps
from store.workflows import workflows
from store.workflows.definitions import NamedDefinition
from store.workflows.workflows import Sought

ENDED: tuple[WorkflowState, ...] = ("completed", "failed", "cancelled")


class OneWorkflow(Answer):
    workflow: WorkflowView


class InputView(BaseModel):
    type: str = "text"
    required: bool = Field(False, exclude_if=lambda required: not required)
    default: Any = Field(None, exclude_if=lambda value: value is None)
    description: str | None = Field(None, exclude_if=lambda text: text is None)


class DefinitionView(BaseModel):
    name: str
    repository: str
    description: str | None = Field(None, exclude_if=lambda text: text is None)
    inputs: dict[str, InputView] = Field({}, exclude_if=lambda inputs: not inputs)
    steps: int = Field(description="how many it has in its file")
    schedule: str | None = Field(None, exclude_if=lambda text: text is None)
    problem: str | None = Field(
        None,
        description="why its newest version is not used",
        exclude_if=lambda text: text is None,
    )


class Workflows(Answer):
    workflows: list[WorkflowLine] = Field([], exclude_if=lambda found: not found)
    definitions: list[DefinitionView] = Field([], exclude_if=lambda found: not found)
    next_cursor: str | None = None


@operation(reads_only=True)
async def get_workflow(ctx: Context, workflow: WorkflowRef) -> OneWorkflow:
    """Return a workflow: its steps, who holds them, and what each waits for."""
    return OneWorkflow(workflow=await views.view(ctx, await visible_workflow(ctx, workflow)))


@operation(reads_only=True)
async def list_workflows(
    ctx: Context,
    state: Annotated[
        Literal["running", "ended", "startable"],
        Field(description="startable: the definitions, with their inputs"),
    ] = "running",
    repository: RepositoryName | None = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Workflows:
    """List workflows, newest first, or the definitions that can be started."""
    where = await visible_repository(ctx, repository) if repository else None
    only = where["id"] if where else None
    if state == "startable":
        return await _startable(ctx, only, limit, cursor)
    sought = Sought(
        states=("running",) if state == "running" else ENDED,
        repository_id=only,
        repositories=ctx.actor.repositories,
    )
    rows = await workflows.page(ctx.tx, ctx.installation_id, sought, _place(cursor), limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return Workflows(
        workflows=await _lines(ctx, rows[:limit]),
        next_cursor=encode(f"{last['created_at']} {last['id']}") if last else None,
    )


async def _lines(ctx: Context, rows: list[WorkflowRow]) -> list[WorkflowLine]:
    parents = [row["parent_task_id"] for row in rows]
    names = await lookup.names(ctx.tx, ctx.actor, parents)
    counts = await stored_steps.counts(ctx.tx, ctx.installation_id, [row["id"] for row in rows])
    found = []
    for row in rows:
        of_states = counts.get(row["id"], {})
        done = sum(n for each, n in of_states.items() if each in ENDED_STEPS)
        name = names.get(row["parent_task_id"])
        found.append(await views.line(ctx, row, name, done, sum(of_states.values())))
    return found


def _place(cursor: str | None) -> tuple[int, str] | None:
    at, _, workflow_id = decode(cursor).partition(" ")
    if not cursor:
        return None
    if not (at.isascii() and at.isdecimal() and len(at) < 19 and workflow_id):
        raise wrong_cursor()
    return int(at), workflow_id


async def _startable(ctx: Context, only: int | None, limit: int, cursor: str | None) -> Workflows:
    repository_id, _, name = decode(cursor).partition(" ")
    if cursor and not (repository_id.isdecimal() and len(repository_id) < 19 and name):
        raise wrong_cursor()
    after = (int(repository_id), name) if cursor else (-1, "")
    here = (ctx.tx, ctx.installation_id)
    reach = ctx.actor.repositories if only is None else frozenset({only})
    rows = await stored_definitions.page(*here, reach, after, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return Workflows(
        definitions=[_definition(row) for row in rows[:limit]],
        next_cursor=encode(f"{last['repository_id']} {last['name']}") if last else None,
    )


def _definition(row: NamedDefinition) -> DefinitionView:
    found, problem = None, row["problem"]
    try:
        found = stored_values.definition(row["definition"]) if row["definition"] else None
    except Unreadable as exc:
        problem = problem or definitions.version_problem(exc)
    return DefinitionView(
        name=row["name"],
        repository=row["full_name"],
        description=found.description if found else None,
        inputs=_inputs(found) if found else {},
        steps=len(found.steps) if found else 0,
        schedule=found.schedule if found else None,
        problem=problem,
    )


def _inputs(definition: Definition) -> dict[str, InputView]:
    return {
        name: InputView(
            type=each.type,
            required=each.is_required,
            default=each.default,
            description=each.description,
        )
        for name, each in definition.inputs.items()
    }
