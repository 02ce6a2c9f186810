"""Pausing, resuming and unregistering agents."""

from typing import Annotated

from pydantic import Field

from bot.agents import hierarchy, presence
from bot.agents.hierarchy import Action
from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context, operation
from bot.operations.agents.arguments import AgentId, Why
from bot.operations.agents.views import Managed, known_agent
from bot.outbox import stopped
from store.agents import agents


@operation(idempotent=True)
async def manage_agent(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="an agent's id")],
    action: Annotated[Action, Field(description="what to do")],
    with_children: Annotated[bool, Field(description="also all agents below")] = False,  # noqa: FBT002 - an argument by name on every surface
    note: Annotated[Why | None, Field(description="the reason")] = None,
) -> Managed:
    """Pause, resume or unregister yourself, an agent below you, or, as tech-lead, any agent.

    Pause and unregister release its tasks, but a pause keeps those in review. Its writes
    wait, or are cancelled.
    """
    row = await known_agent(ctx, agent_id)
    await _check_may_manage(ctx, agent_id)
    # A paused agent may resume itself, also with the agents below it. All else needs presence.
    if agent_id != ctx.actor.name or (with_children and action != "resume"):
        await presence.check_presence(ctx.tx, ctx.actor, "at_work", ctx.state)
    if action == "resume" and row["paused_at"] is not None and not hierarchy.may_resume(ctx, row):
        raise Refused(
            "forbidden",
            f"{row['paused_by']} paused {agent_id}. Only {row['paused_by']} or a tech-lead may "
            "resume it.",
            paused_by=row["paused_by"],
            **permissions.missing(ctx.actor, hierarchy.RESUME),
        )
    if ctx.actor.repositories is not None and action != "resume":
        await _check_reach(ctx, agent_id, with_children=with_children)
    changed, released = await hierarchy.manage(
        ctx, agent_id, action, note, with_children=with_children
    )
    here = (ctx.tx, ctx.installation_id, changed)
    held, cancelled = 0, list[str]()
    if changed and action == "pause":
        held = await stopped.hold_back(*here)
    elif changed and action == "unregister":
        why = f"{ctx.actor.name} unregistered its agent."
        cancelled = await stopped.cancel_queued(*here, why)
    elif changed:
        ctx.tx.rings.add("outbox")
    return Managed(
        agents=changed, released=released, writes_held=held, writes_cancelled=len(cancelled)
    )


async def _check_may_manage(ctx: Context, agent_id: str) -> None:
    """Raise Refused if the actor may not manage the agent."""
    leads_all = permissions.allows_everywhere(ctx.actor, "manage_agent")
    if agent_id == ctx.actor.name or leads_all:
        return
    if not await hierarchy.is_below(ctx, agent_id, ctx.actor.name):
        raise Refused(
            "forbidden",
            f"{agent_id} is not below {ctx.actor.name}. Only {agent_id} itself, agents above it "
            "or a tech-lead of the whole installation may pause, resume or unregister it.",
            **permissions.missing(ctx.actor, "manage_agent"),
        )


async def _check_reach(ctx: Context, agent_id: str, *, with_children: bool) -> None:
    """Raise Refused if the action would end work that the actor does not reach."""
    ids = await hierarchy.subtree(ctx, agent_id) if with_children else [agent_id]
    reach = ctx.actor.repositories or ()
    if await agents.work_outside(ctx.tx, ctx.installation_id, ids, reach):
        raise Refused(
            "forbidden",
            f"{agent_id} has work that your token does not reach, because it is bound to some "
            "repositories. Use a token that is not. Nothing was changed.",
        )
