"""Why an actor can or cannot claim a task."""

from types import MappingProxyType

from pydantic import Field

from bot.agents import presence, team_budgets, tech_leads
from bot.comments import cleaning, orphaned_pulls
from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Answer, Context, Slash, TaskRef, operation
from bot.kernel.remedies import TO_A_LEAD
from bot.operations.tasks import capped_claims, task_titles
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.blockers import PLANNED
from bot.operations.tasks.views import KNOWN, Task, task_view
from bot.operations.workflows import gate_checks
from bot.repository import narrowing
from bot.tasks import capped_work, eligibility, lookup, step_roles
from bot.tasks.eligibility import Dependencies, Reason
from bot.tasks.states import CLAIMABLE
from bot.workflows.offers import offer_text
from store.agents import agents
from store.tables.agents import AgentRow
from store.tasks.tasks import FullTask
from store.workflows import steps


def _remedy(exc: Refused, me: str) -> str:
    """What an agent can do that is not at work."""
    if exc.code == "not_registered":
        return "call register_agent"
    by = exc.details["paused_by"]
    own = "end the pause with manage_agent and `action` resume"
    return own if by == me else f"ask {by} to end the pause"


class Explained(Answer):
    # `text` says the reasons in one sentence.
    omitted = MappingProxyType({"task": KNOWN, "reasons": {"__all__": {"why", "remedy"}}})

    task: Task
    claimable: bool = Field(description="whether you can claim it now")
    mine: bool = False
    text: str
    reasons: list[Reason] = Field(
        [], description="why you cannot claim it, the most direct reason first"
    )
    blocked_by: list[str] = Field([])
    open_sub_issues: list[str] = Field([])
    circle: list[str] = Field(
        [], description="open issues that block each other in a cycle, which blocks nobody"
    )
    sub_issues_done: int = 0
    sub_issues: int = 0


def _why_reply(answer: Explained) -> str:
    waits = (*answer.blocked_by, *answer.open_sub_issues)
    unsaid = [each for each in waits if each not in answer.text]
    text = f"{answer.text} Its priority is {answer.task.priority}."
    if unsaid:
        text += f" It waits for {', '.join(unsaid)}."
    return cleaning.message(text).text


WHY = Slash("why", "say why this task can or cannot be claimed", reply=_why_reply)


@operation(reads_only=True, slashes=(WHY,))
async def explain_task(ctx: Context, task: TaskRef) -> Explained:
    """Explain why you can or cannot claim a task."""
    row = eligibility.without_expired_lease(await visible_task(ctx, task), ctx.now)
    waits = await eligibility.dependencies(ctx.tx, ctx.actor, row)
    mine = row["holder"] == ctx.actor.name
    has, me = None, None  # a person can do anything
    if not ctx.actor.is_person:
        me = await agents.get(ctx.tx, ctx.installation_id, ctx.actor.name)
        has = me["capabilities"] if me else []
    gates = await gate_checks.reasons(ctx, row)
    standing = eligibility.reasons(ctx.actor, row, waits, has, ctx.now, gates)
    step = await steps.of_task(ctx.tx, ctx.installation_id, row["id"])
    standing += step_roles.reasons(ctx.actor, step["definition"].get("role") if step else None)
    standing += await _not_at_work(ctx, me, row["repository_id"])
    standing += await _beyond_cap(ctx, row, mine=mine)
    standing += await _beyond_budget(ctx, me, mine=mine)
    standing += await _forbidden_here(ctx, row)
    text = eligibility.explanation(ctx.actor, row, standing, waits, mine=mine)
    if row["state"] == "cancelled" and (pull := await orphaned_pulls.open_pull(ctx.tx, row)):
        text += f" Its pull request #{pull} is still open."
    if offered := await offer_text.explanation(ctx.tx, row):
        text += f" {offered}"
    # The holder can always claim its task again.
    return Explained(
        task=task_view(await task_titles.with_title(ctx, row), _blocked_by(row, waits)),
        claimable=mine or not standing,
        mine=mine,
        text=await tech_leads.with_names(ctx.tx, ctx.actor, text),
        reasons=standing,
        blocked_by=list(waits.blockers),
        open_sub_issues=list(waits.children),
        circle=list(waits.in_cycle),
        sub_issues_done=waits.done,
        sub_issues=waits.total,
    )


def _blocked_by(row: FullTask, waits: Dependencies) -> list[str]:
    if row["state"] not in CLAIMABLE:
        return []
    return [*waits.blockers, *waits.children, *([PLANNED] if waits.planned else [])]


async def _beyond_cap(ctx: Context, row: FullTask, *, mine: bool) -> list[Reason]:
    """The cap on spend that forbids agents to claim the task, if there is one."""
    hold = None if mine or ctx.actor.is_person else await capped_claims.hold_on_claim(ctx, row)
    if hold is None:
        return []
    what = capped_work.what_is_capped(hold, task=lookup.name(row), agent=ctx.actor.name)
    ends = capped_work.how_it_ends(hold)
    remedy = f"ask a person to raise the cap; it can be claimed {ends}"
    return [Reason(code="spend_cap", why=f"the reported spend {what}", remedy=remedy)]


async def _beyond_budget(ctx: Context, me: AgentRow | None, *, mine: bool) -> list[Reason]:
    """The budget, of the actor or of an agent above it, that is used up."""
    if mine or me is None or me["spent_of"] is None:
        return []
    why = (await team_budgets.why_stopped(ctx.tx, me)).rstrip(".")
    remedy = (await team_budgets.remedy(ctx.tx, me)).rstrip(".")
    return [Reason(code="spend_cap", why=why, remedy=remedy)]


async def _forbidden_here(ctx: Context, row: FullTask) -> list[Reason]:
    """The reason, if the settings of the repository forbid the claim."""
    where = (row["repository_id"], row["full_name"])
    refused = await narrowing.refusal_in(ctx, "claim_task", *where)
    if refused is None:
        return []
    why = refused.message.removesuffix(" Nothing was changed.").rstrip(".")
    return [Reason(code="forbidden", why=why, remedy=f"ask a person or {TO_A_LEAD}")]


async def _not_at_work(ctx: Context, me: AgentRow | None, repository_id: int) -> list[Reason]:
    """The reasons that are about the actor, not about the task."""
    if not permissions.allows(ctx.actor, "claim_task", repository_id=repository_id):
        if ctx.actor.is_person:
            why = "a claim needs write access to the repository"
            return [Reason(code="forbidden", why=why, remedy="ask somebody with write access")]
        role = permissions.lowest_role("claim_task")
        return [
            Reason(
                code="forbidden",
                why=f"{ctx.actor.name} has the role {ctx.actor.role}; a claim needs {role}",
                remedy="ask a person for a token with that role",
            )
        ]
    if ctx.actor.is_person:
        return []
    try:
        await presence.check_at_work(ctx.tx, me, ctx.now)
    except Refused as exc:
        return [
            Reason(code=exc.code, why=exc.message.rstrip("."), remedy=_remedy(exc, ctx.actor.name))
        ]
    return []
