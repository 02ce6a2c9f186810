"""Cancelling a workflow, and retrying one that ended."""

from typing import Annotated

from pydantic import Field

from bot.errors import Refused
from bot.identity import permissions
from bot.identity.permissions import Condition
from bot.kernel.operation import Answer, Context, operation
from bot.operations.arguments import Note
from bot.operations.github import clean_texts
from bot.operations.tasks.access import check_role
from bot.operations.workflows.access import WorkflowRef, unknown_workflow, visible_workflow
from bot.repository import narrowing
from bot.workflows.execution import cancelling, flows, retrying
from bot.workflows.execution.flows import Loaded
from store.mirror import stored_repositories
from store.tables.workflows import WorkflowRow, WorkflowState
from store.tasks.tasks import FullTask
from store.workflows import workflows


class EndedWorkflow(Answer):
    workflow: str
    state: WorkflowState
    undoing: list[str] = Field(
        [], description="the steps that undo what it did", exclude_if=lambda names: not names
    )


class RetriedWorkflow(Answer):
    workflow: str
    state: WorkflowState
    again: list[str] = Field(description="the steps that are done again")


@operation(presence="at_work")
async def cancel_workflow(
    ctx: Context,
    workflow: WorkflowRef,
    compensate: Annotated[  # noqa: FBT002 - callers name their arguments
        bool, Field(description="begin the steps that undo it")
    ] = True,
    note: Annotated[Note | None, Field(description="the reason")] = None,
) -> EndedWorkflow:
    """Cancel a workflow: its steps end, and their issues are closed."""
    loaded = await _load(ctx, workflow)
    state = loaded.workflow["state"]
    if state not in ("running", "failed"):
        raise Refused(
            "illegal_transition",
            f"{workflow} is {state} already. Nothing was changed.",
            state=state,
            legal=[],
        )
    texts, _ = clean_texts.for_card({"note": note})
    why = texts.get("note") or "it was cancelled"
    await cancelling.cancel(ctx.tx, loaded, ctx.actor.name, why, compensate=compensate)
    undone = [key for key, each in flows.flow_of(loaded).steps.items() if each.is_undo]
    going = [key for key in undone if loaded.steps[key]["state"] in ("open", "waiting")]
    return EndedWorkflow(
        workflow=loaded.workflow["id"], state=loaded.workflow["state"], undoing=going
    )


@operation(presence="at_work")
async def retry_workflow(
    ctx: Context,
    workflow: WorkflowRef,
    step: Annotated[
        str | None, Field(max_length=60, description="begin with it; none: what failed")
    ] = None,
    note: Annotated[Note | None, Field(description="the reason")] = None,
) -> RetriedWorkflow:
    """Do a step again, and all that depends on it."""
    loaded = await _load(ctx, workflow)
    texts, _ = clean_texts.for_card({"note": note})
    again = await retrying.retry(ctx, loaded, step, texts.get("note", ""))
    return RetriedWorkflow(
        workflow=loaded.workflow["id"], state=loaded.workflow["state"], again=again
    )


async def retry_of_parent(ctx: Context, parent: FullTask, note: str) -> bool:
    """Retry the newest workflow of this issue. False if it did not fail and was not cancelled."""
    here = (ctx.tx, ctx.installation_id)
    newest = next(iter(await workflows.of_parent(*here, parent["id"], 1)), None)
    if newest is None or newest["state"] not in ("failed", "cancelled"):
        return False
    loaded = await flows.load(*here, newest["id"])
    if loaded is not None:
        await retrying.retry(ctx, loaded, None, note)
    return True


async def _load(ctx: Context, ref: str) -> Loaded:
    """The locked workflow, if the actor may end and retry it. Raise Refused."""
    here = (ctx.tx, ctx.installation_id)
    row = await visible_workflow(ctx, ref)
    name = await stored_repositories.repository_name(*here, row["repository_id"])
    check_role(ctx, row["repository_id"], name or "")
    await narrowing.check(ctx, row["repository_id"], name or "")
    _check_may_decide(ctx, row)
    loaded = await flows.load(*here, row["id"])
    if loaded is None:
        raise unknown_workflow(ref)
    return loaded


def _check_may_decide(ctx: Context, row: WorkflowRow) -> None:
    """Raise Refused unless it is a person, a tech-lead, or who started it."""
    condition: Condition = "own" if row["started_by"] == ctx.actor.name else "any"
    where = row["repository_id"]
    if not permissions.allows(ctx.actor, ctx.operation, condition, repository_id=where):
        raise Refused(
            "forbidden",
            f"{row['started_by']} started {row['id']}. Ask them, or an agent with the role "
            "tech-lead, or a person who may write to the repository.",
            **permissions.missing(ctx.actor, ctx.operation, condition),
        )
