"""Proposing a plan: the holder of a task divides it into steps, which somebody approves."""

from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context, TaskRef, operation
from bot.operations.arguments import Fence, Note
from bot.operations.github import clean_texts
from bot.operations.tasks.access import held_task
from bot.operations.workflows import plan_decisions
from bot.repository import repository_settings
from bot.tasks import lifecycle, lookup, publishing
from bot.workflows.definitions.definition import MOST_STEPS, Definition
from bot.workflows.plans import plan_steps, strategies
from store.engine import ids
from store.outbox import writes
from store.tables.approvals import PlanProposalRow
from store.tasks.tasks import FullTask
from store.workflows import plan_proposals

Strategy: TypeAlias = Literal["by_component", "by_layer", "test_first", "by_file"]
assert get_args(Strategy) == tuple(strategies.STRATEGIES)
Steps: TypeAlias = Annotated[
    list[dict[str, Any]],
    Field(
        min_length=1,
        max_length=MOST_STEPS,
        description="as in workflow files: id, title, body, needs, …",
    ),
]


class Proposed(Answer):
    task: str
    plan: str = Field(description="its id")
    size: int = Field(description="how many tasks it has")
    state: Literal["waiting", "approved"]
    workflow: str | None = Field(
        None, description="what it became", exclude_if=lambda which: which is None
    )
    hint: str | None = Field(None, exclude_if=lambda hint: hint is None)
    cleaned: list[str] = Field(
        [], description="what was changed in the note", exclude_if=lambda cleaned: not cleaned
    )


@operation(reaches_github=True)
async def propose_plan(
    ctx: Context,
    task: TaskRef,
    steps: Steps,
    fence: Fence | None = None,
    strategy: Annotated[Strategy | None, Field(description="by which you planned")] = None,
    note: Annotated[Note, Field(description="the reason")] = "",
) -> Proposed:
    """Propose steps for a task that you hold; once approved, they become its sub-issues."""
    row = await held_task(ctx, task, fence)
    if row["number"] is None:
        raise Refused("no_issue_yet", f"GitHub has not numbered {lookup.name(row)} yet.")
    definition = plan_steps.parse(steps)
    start = await plan_decisions.start_of(ctx, row, definition)
    texts, cleaned = clean_texts.for_card({"note": note})
    await _replace(ctx, row)
    plan = _row(ctx, row, definition, len(start.steps), strategy, texts["note"])
    await plan_proposals.add(ctx.tx, plan)
    said = {"strategy": strategy} if strategy else {}
    about = {"plan": plan["id"], "size": plan["size"], **said}
    await lifecycle.await_plan(ctx.tx, row, ctx.actor.name, **about)
    return await _answer(ctx, row, plan, cleaned)


async def _replace(ctx: Context, row: FullTask) -> None:
    """A new plan takes the place of one that waits."""
    old = await plan_proposals.waiting(ctx.tx, ctx.installation_id, row["id"])
    if old is not None:
        await plan_proposals.decide(ctx.tx, old, "replaced", ctx.actor.name)


def _row(
    ctx: Context,
    row: FullTask,
    definition: Definition,
    size: int,
    strategy: str | None,
    note: str,
) -> PlanProposalRow:
    return {
        "installation_id": ctx.installation_id,
        "id": ids.new("p", ctx.now),
        "repository_id": row["repository_id"],
        "task_id": row["id"],
        "proposed_by": ctx.actor.name,
        "lease_id": row["lease_id"] or "",
        "strategy": strategy,
        "note": note,
        "definition": definition.model_dump(mode="json", exclude_defaults=True),
        "size": size,
        "state": "waiting",
        "decided_by": None,
        "why": None,
        "workflow_id": None,
        "created_at": ctx.now,
        "decided_at": None,
    }


async def _answer(
    ctx: Context, row: FullTask, plan: PlanProposalRow, cleaned: list[str]
) -> Proposed:
    """Make the tasks at once if the repository's settings say so for plans of this size."""
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, row["repository_id"])
    answer = Proposed(
        task=lookup.name(row), plan=plan["id"], size=plan["size"], state="waiting", cleaned=cleaned
    )
    # Who approves a plan with a template starts its agents, so that is nobody's own word.
    starts_agents = any("template" in each for each in plan["definition"]["steps"])
    if starts_agents or plan["size"] > settings.plans.approve_above:
        # A person waits for it, so it goes out like what people did.
        await publishing.show(ctx.tx, row, lane=writes.PEOPLE, makes_card=True)
        hint = (
            "People see it on the task's card, and approve or reject it there. You get a notice. "
            "Your lease does not expire until then."
        )
        return answer.model_copy(update={"hint": hint})
    workflow = await plan_decisions.carry_out(ctx, row, plan)
    return answer.model_copy(update={"state": "approved", "workflow": workflow})
