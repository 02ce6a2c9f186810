"""What becomes of a plan that an agent proposed: a workflow under its task, or nothing."""

from bot.errors import Refused
from bot.identity.actors import is_at_least
from bot.kernel.operation import Context
from bot.kernel.yaml_file import Unreadable
from bot.operations.github.targets import repository_of
from bot.operations.workflows import parents, start_checks, starting
from bot.repository import repository_settings
from bot.repository.settings_file import PATH
from bot.tasks import lifecycle, lookup
from bot.workflows.definitions import expansion, stored_values
from bot.workflows.definitions.definition import Definition
from bot.workflows.plans import plan_steps
from bot.workflows.starting.first_rows import Start
from store.tables.approvals import PlanProposalRow
from store.tasks.tasks import FullTask
from store.workflows import plan_proposals

LONGEST_REASON = 300


async def decide(
    ctx: Context, row: FullTask, plan: PlanProposalRow, note: str, *, approve: bool
) -> str | None:
    """Approve or reject a plan that waits. Return the workflow that it became. Raise Refused."""
    await _check_may_decide(ctx, row, plan)
    if not approve:
        await plan_proposals.decide(ctx.tx, plan, "rejected", ctx.actor.name, note)
        await _record(ctx, row, "task.plan_rejected", note, plan=plan["id"])
        return None
    return await carry_out(ctx, row, plan, note)


async def carry_out(ctx: Context, row: FullTask, plan: PlanProposalRow, note: str = "") -> str:
    """Make the tasks of a plan. Return the workflow. Raise Refused."""
    start = await start_of(ctx, row, _definition(plan))
    await start_checks.check_may_spawn(ctx, start)
    workflow, _ = await starting.begin(ctx, await repository_of(ctx, row), start, row)
    await plan_proposals.decide(
        ctx.tx, plan, "approved", ctx.actor.name, note, workflow_id=workflow["id"]
    )
    about = {"plan": plan["id"], "workflow": workflow["id"]}
    await _record(ctx, row, "task.plan_approved", note, **about)
    return workflow["id"]


def _definition(plan: PlanProposalRow) -> Definition:
    """Raise Refused if this version of Hubbub does not accept what an older one stored."""
    try:
        return stored_values.definition(plan["definition"])
    except Unreadable as exc:
        raise Refused(
            "not_startable",
            f"This version of Hubbub does not accept the plan: {exc}. Reject it, so that the "
            "agent proposes another one. Nothing was changed.",
        ) from exc


async def start_of(ctx: Context, row: FullTask, definition: Definition) -> Start:
    """The workflow that a plan would be, once it is checked like any other. Raise Refused."""
    where = await repository_of(ctx, row)
    start_checks.check_repository(where)
    await parents.check_free(ctx, row, plan_steps.NAME)
    start = Start(
        repository_id=where["id"],
        name=plan_steps.NAME,
        definition=definition,
        inputs={},
        steps=expansion.expand(definition, {}),
        by=ctx.actor.name,
    )
    await start_checks.check_named(ctx, start)
    await start_checks.check_size(ctx, start, row)
    return start


async def _check_may_decide(ctx: Context, row: FullTask, plan: PlanProposalRow) -> None:
    """Raise Refused unless the actor is a person who may write, or an agent that is allowed to."""
    actor, name = ctx.actor, lookup.name(row)
    role = actor.role_in(row["repository_id"])
    if actor.is_person:
        if is_at_least(role, "developer"):
            return
        raise Refused(
            "forbidden",
            f"Deciding about the plan of {name} needs the permission write. Nothing was changed.",
        )
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, row["repository_id"])
    if actor.name == plan["proposed_by"]:
        raise Refused(
            "own_work",
            f"You proposed the plan of {name}, so somebody else decides. Nothing was changed.",
        )
    if not settings.plans.agents_may_approve or not is_at_least(role, "tech-lead"):
        raise Refused(
            "forbidden",
            f"People decide about the plan of {name}. A tech-lead can only if `plans: "
            f"{{agents_may_approve: true}}` stands in {PATH}. Nothing was changed.",
        )


async def _record(ctx: Context, row: FullTask, kind: str, note: str, **about: str) -> None:
    said = {"note": note[:LONGEST_REASON]} if note else {}
    await lifecycle.record_plan(ctx.tx, row, kind, ctx.actor.name, **about, **said)
