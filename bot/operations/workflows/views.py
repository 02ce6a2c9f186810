"""What answers show of workflows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from bot.comments import card_workflow
from bot.kernel.operation import Context
from bot.operations.tasks import blockers, task_titles
from bot.tasks import lookup
from bot.tasks.states import CLAIMABLE
from bot.times import stamp
from bot.workflows.execution import shared_values
from bot.workflows.execution.flow_state import ENDED
from bot.workflows.execution.shared_values import Document
from store.mirror import stored_repositories
from store.tables.workflows import WorkflowNeedRow, WorkflowRow, WorkflowState, WorkflowStepRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import needs as stored_needs
from store.workflows import steps as stored_steps

ShownState: TypeAlias = Literal[
    "waiting",
    "ready",
    "in_progress",
    "in_review",
    "awaiting_approval",
    "completed",
    "failed",
    "skipped",
    "cancelled",
    "removed",
]


class StepView(BaseModel):
    step: str
    task: str = Field(description="owner/repo#12, or its id until GitHub has numbered the issue")
    title: str = ""
    title_by: str | None = Field(
        None,
        description="who wrote the title, if nobody whom the repository trusts",
        exclude_if=lambda who: who is None,
    )
    state: ShownState
    holder: str | None = Field(
        None,
        description="who works on it, or held it last",
        exclude_if=lambda holder: holder is None,
    )
    tool: str | None = Field(
        None, description="Hubbub calls it for the step", exclude_if=lambda tool: tool is None
    )
    needs: list[str] = Field([], exclude_if=lambda names: not names)
    waits_for: list[str] = Field(
        [], description="the steps that must end first", exclude_if=lambda names: not names
    )
    condition: str = Field("success", exclude_if=lambda word: word == "success")
    attempts: int = Field(
        0, description="how often it was tried again", exclude_if=lambda tried: not tried
    )
    outputs: dict[str, Any] = Field({}, exclude_if=lambda values: not values)
    why: str | None = Field(
        None, description="why it waits or how it ended", exclude_if=lambda why: why is None
    )


class WorkflowLine(BaseModel):
    id: str
    name: str
    task: str = Field(description="the parent issue: owner/repo#12")
    repository: str
    state: WorkflowState
    why: str | None = Field(None, exclude_if=lambda why: why is None)
    started_by: str
    started_at: str
    ended_at: str | None = Field(None, exclude_if=lambda at: at is None)
    done: int = Field(description="how many steps have ended")
    total: int


class WorkflowView(WorkflowLine):
    inputs: dict[str, Any] = {}
    context: str | None = Field(None, description="the id of its context")
    context_problem: str | None = Field(None, exclude_if=lambda why: why is None)
    steps: list[StepView]


@dataclass(frozen=True)
class Parts:
    """What the database has of one workflow."""

    workflow: WorkflowRow
    steps: Sequence[WorkflowStepRow]
    needs: Sequence[WorkflowNeedRow]
    tasks: Mapping[str, FullTask]
    blocked: Mapping[str, Sequence[str]]
    document: Document


async def view(ctx: Context, workflow: WorkflowRow) -> WorkflowView:
    """The workflow with all its steps, in the order of its file."""
    parts = await _parts(ctx, workflow)
    line = await _line(ctx, parts)
    return WorkflowView(
        **vars(line),
        inputs=workflow["inputs"],
        context=workflow["context_id"],
        context_problem=parts.document.problem,
        steps=[_step(parts, each) for each in parts.steps],
    )


async def _parts(ctx: Context, workflow: WorkflowRow) -> Parts:
    here = (ctx.tx, ctx.installation_id)
    steps = await stored_steps.of_workflow(*here, workflow["id"])
    ids = [workflow["parent_task_id"], *(each["task_id"] for each in steps)]
    rows = await tasks.several(*here, ids, ctx.actor.repositories)
    rows = await task_titles.with_titles(ctx, rows)
    return Parts(
        workflow=workflow,
        steps=steps,
        needs=await stored_needs.of_workflow(*here, workflow["id"]),
        tasks={row["id"]: row for row in rows},
        blocked=await blockers.blockers(ctx, rows),
        document=await shared_values.read(ctx, workflow),
    )


async def _line(ctx: Context, parts: Parts) -> WorkflowLine:
    parent = parts.tasks.get(parts.workflow["parent_task_id"])
    name = parent and lookup.name(parent)
    done = sum(each["state"] in ENDED for each in parts.steps)
    return await line(ctx, parts.workflow, name, done, len(parts.steps))


async def line(
    ctx: Context, workflow: WorkflowRow, parent: str | None, done: int, total: int
) -> WorkflowLine:
    """`parent`: the name of its task, if the caller may see that."""
    here = (ctx.tx, ctx.installation_id)
    repository = await stored_repositories.repository_name(*here, workflow["repository_id"])
    return WorkflowLine(
        id=workflow["id"],
        name=workflow["name"],
        task=parent or workflow["parent_task_id"],
        repository=repository or "",
        state=workflow["state"],
        why=workflow["why"],
        started_by=workflow["started_by"],
        started_at=stamp(workflow["created_at"]),
        ended_at=workflow["ended_at"] and stamp(workflow["ended_at"]),
        done=done,
        total=total,
    )


def _step(parts: Parts, row: WorkflowStepRow) -> StepView:
    task = parts.tasks.get(row["task_id"])
    mine = [each for each in parts.needs if each["step"] == row["step"]]
    ended = {each["step"] for each in parts.steps if each["state"] in ENDED}
    state = shown_state(row, task, parts.blocked.get(row["task_id"], ()))
    waits = [each["needs"] for each in mine if each["state"] == "present"]
    return StepView(
        step=row["step"],
        task=lookup.name(task) if task else row["task_id"],
        title=task["title"] if task else "",
        title_by=task["outsider"] if task else None,
        state=state,
        holder=card_workflow.holder_of(task),
        tool=row["definition"].get("tool"),
        needs=[each["needs"] for each in mine],
        waits_for=[each for each in waits if each not in ended] if state == "waiting" else [],
        condition=row["definition"].get("if", "success"),
        attempts=row["attempts"],
        outputs=parts.document.outputs.get(row["step"], {}),
        why=_why(task, state) or _missing_outputs(row, parts.document),
    )


def shown_state(
    row: WorkflowStepRow, task: FullTask | None, blocked: Sequence[str] = ()
) -> ShownState:
    """The state of a step with that of its task. `blocked`: what GitHub shows as its blockers."""
    state = row["state"]
    if state != "waiting" and state != "open":  # noqa: PLR1714 - mypy follows only comparisons
        return state
    if state == "open" and row["definition"].get("approve") is not None:
        return "awaiting_approval"
    if state == "open" and row["definition"].get("tool") is not None:
        return "in_progress"
    if task is None:
        return "waiting"
    if task["state"] in ("in_progress", "in_review"):
        return task["state"]
    is_free = task["state"] in CLAIMABLE and not task["held"] and task["number"] is not None
    return "ready" if state == "open" and is_free and not blocked else "waiting"


def _why(task: FullTask | None, state: ShownState) -> str | None:
    if task is None:
        return None
    if state in ENDED:
        return task["decision"]
    return task["held_why"] if task["held"] else None


def _missing_outputs(row: WorkflowStepRow, document: Document) -> str | None:
    lacking = shared_values.missing(row, document)
    return f"completed without its outputs {', '.join(lacking)}" if lacking else None
