"""Pausing, resuming and unregistering agents."""

from typing import Annotated

from pydantic import Field

from bot.agents import hierarchy, presence, team_control
from bot.agents.team_control import Action
from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import ACTIONS
from bot.kernel.operation import Context, operation
from bot.operations.agents.arguments import AgentId, Why
from bot.operations.agents.views import Managed, known_agent
from bot.outbox import stopped
from bot.runs import terminating
from store.agents import agents
from store.runs import runs
from store.tables.agents import AgentRow


@operation(idempotent=True)
async def manage_agent(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="an agent's id")],
    action: Annotated[Action, Field(description="what to do")],
    with_children: Annotated[bool, Field(description="also all agents below")] = True,  # noqa: FBT002 - an argument by name on every surface
    note: Annotated[Why | None, Field(description="the reason")] = None,
) -> Managed:
    """Pause, resume or unregister yourself, an agent below you, or, as tech-lead, any agent.

    Pause and unregister release its tasks, but a pause keeps those in review. Its writes
    wait, or are cancelled.
    """
    row = await known_agent(ctx, agent_id)
    await _check_may_manage(ctx, agent_id)
    below = bool(with_children and action != "resume" and await _has_children(ctx, agent_id))
    # A paused agent may resume itself, also with the agents below it. All else needs presence.
    if agent_id != ctx.actor.name or below:
        await presence.check_presence(ctx.tx, ctx.actor, "at_work", ctx.state)
    if action == "resume":
        await _check_may_resume(ctx, row)
    elif ctx.actor.repositories is not None:
        await _check_reach(ctx, agent_id, with_children=with_children)
    if action == "unregister":
        await _stop_runs(ctx, agent_id, note, with_children=with_children)
    changed, released = await team_control.manage(
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


async def _has_children(ctx: Context, agent_id: str) -> bool:
    return bool(await agents.children(ctx.tx, ctx.installation_id, [agent_id], 1))


async def _check_may_resume(ctx: Context, row: AgentRow) -> None:
    """Raise Refused if the actor may not end the pause, or one from above that covers it."""
    if row["paused_at"] is None:
        return
    who, how = row["paused_by"], ""
    if team_control.may_resume(ctx, row):
        root = await team_control.pause_from_above(ctx, row)
        if root is None:
            return
        who, how = root["paused_by"], f" with {root['id']}, which is above it"
    raise Refused(
        "forbidden",
        f"{who} paused {row['id']}{how}. Only {who} or a tech-lead may resume it.",
        paused_by=who,
        **permissions.missing(ctx.actor, team_control.RESUME),
    )


async def _stop_runs(ctx: Context, agent_id: str, note: str | None, *, with_children: bool) -> None:
    """Stop the runs of agents that leave, but not the caller's own: it ends by itself.

    Runs are locked before agents.
    """
    ids = await hierarchy.subtree(ctx, agent_id) if with_children else [agent_id]
    why = f"its agent was unregistered by {ctx.actor.name}{f': {note}' if note else ''}"
    for each in ids:
        own = each == ctx.actor.name or not each.startswith(ACTIONS)
        run = None if own else await runs.of_agent(ctx.tx, ctx.installation_id, each)
        if run is not None and run["state"] in runs.NOT_ENDED:
            await terminating.stop_tree(ctx.tx, run, ctx.actor.name, why)


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
