"""Pauses, resumes and unregisters an agent, by default together with all agents below it."""

from typing import Any, Literal, TypeAlias

from bot.agents import agent_tasks, hierarchy
from bot.errors import Refused
from bot.identity import permissions
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.kernel.operation import Context
from store.agents import agents
from store.tables.agents import AgentRow

Action: TypeAlias = Literal["pause", "resume", "unregister"]
DONE: dict[Action, str] = {"pause": "paused", "resume": "resumed", "unregister": "left"}
# The action of the permission table.
RESUME = "manage_agent.resume"
MOST_TASKS = 300
Columns: TypeAlias = dict[str, Any]


async def manage(
    ctx: Context, agent_id: str, action: Action, note: str | None, *, with_children: bool
) -> tuple[list[str], list[str]]:
    """Take the action. Return the changed agents and the released tasks. Raise Refused."""
    root = await agents.get(ctx.tx, ctx.installation_id, agent_id)
    changed: list[str] = []
    freed: list[str] = []
    # Tasks must be locked before agents, so an agent may claim a task, or get a child, before its
    # row is locked. The second round finds these: from the first round on the rows are locked.
    for _ in range(2):
        ids = await hierarchy.subtree(ctx, agent_id) if with_children else [agent_id]
        if action != "resume":
            freed += await _release(ctx, ids, action, _why(ctx, action, note))
        changed += await _change(ctx, ids, root, action, note)
    return changed, freed


def _why(ctx: Context, action: Action, note: str | None) -> str:
    said = f": {note}" if note else ""
    return f"{DONE[action] if action == 'pause' else 'unregistered'} by {ctx.actor.name}{said}"


async def record(
    ctx: Context, agent_id: str, what: str, note: str | None = None, root: str | None = None
) -> None:
    """Append an event of the agent. `root`: the agent above with which this happened."""
    said = {"note": note, "with": root if root != agent_id else None}
    data = {name: each for name, each in said.items() if each}
    event = Happening(f"agent.{what}", agent_id, agent_id, ctx.actor.name, data)
    await event_recorder.append(ctx.tx, ctx.installation_id, event)


async def _release(ctx: Context, ids: list[str], action: Action, why: str) -> list[str]:
    """Release what the agents hold, and end their reservations. Return the released tasks."""
    here = (ctx.tx, ctx.installation_id)
    task_ids = await agent_tasks.of(*here, ids, MOST_TASKS + 1)
    if len(task_ids) > MOST_TASKS:
        raise Refused(
            "too_large",
            f"These agents hold more than {MOST_TASKS} tasks. Call this for each child, or release "
            "some tasks first.",
            most=MOST_TASKS,
        )
    except_in_review = action == "pause"
    return await agent_tasks.release(
        *here, task_ids, ids, ctx.actor.name, why, except_in_review=except_in_review
    )


async def _change(
    ctx: Context, ids: list[str], root: AgentRow | None, action: Action, note: str | None
) -> list[str]:
    """Change the agents that the action affects. Return those that it stops or lets go on."""
    here = (ctx.tx, ctx.installation_id)
    if root is None:
        return []
    changed = []
    for row in await agents.lock(*here, ids):
        columns = _columns(ctx, row, root, action)
        if columns:
            await agents.change(*here, [row["id"]], **columns)
        if columns.keys() & {"paused_at", "left_at"}:
            changed.append(row["id"])
            await record(ctx, row["id"], DONE[action], note, root["id"])
    return changed


def _columns(ctx: Context, row: AgentRow, root: AgentRow, action: Action) -> Columns:
    """What changes of one agent. `root`: the agent of the call, as it was before."""
    if action == "unregister":
        return {"left_at": ctx.now} if row["left_at"] is None else {}
    if action == "pause":
        return _pause(ctx, row) if row["id"] == root["id"] else _pause_below(ctx, row, root)
    return _resume(ctx, row, root)


def _pause(ctx: Context, row: AgentRow) -> Columns:
    """A tech-lead's pause replaces one by somebody else, so that only a tech-lead can end it.

    The pause of another agent replaces the agent's own.
    """
    me = ctx.actor.name
    is_own = row["paused_by"] == row["id"] != me
    is_stronger = row["paused_by"] != me and (_is_lead_of(ctx, row) or is_own)
    if row["paused_at"] is not None and not is_stronger:
        return {}
    return {"paused_at": ctx.now, "paused_by": me}


def _pause_below(ctx: Context, row: AgentRow, root: AgentRow) -> Columns:
    """A pause of its own stays beside the one from above, and goes on when that ends."""
    followed = (row["paused_at"], row["paused_by"]) == (root["paused_at"], root["paused_by"])
    if row["paused_at"] is None or (followed and _pause(ctx, root)):
        return {"paused_at": ctx.now, "paused_by": ctx.actor.name, "paused_with": root["id"]}
    return {} if row["paused_with"] == root["id"] else {"paused_with": root["id"]}


def _resume(ctx: Context, row: AgentRow, root: AgentRow) -> Columns:
    """Below the agent of the call, only what was paused together with it goes on."""
    if root["paused_at"] is None or not may_resume(ctx, root):
        return {}
    columns: Columns = {}
    if row["paused_with"] is not None and row["paused_with"] in (root["id"], root["paused_with"]):
        columns["paused_with"] = None
    pause = (row["paused_at"], row["paused_by"])
    if row["paused_at"] is not None and pause == (root["paused_at"], root["paused_by"]):
        columns |= {"paused_at": None, "paused_by": None}
    return columns


def may_resume(ctx: Context, row: AgentRow) -> bool:
    """Whether the actor paused the agent, or is a tech-lead and another agent."""
    return _is_lead_of(ctx, row) or bool(row["paused_by"] == ctx.actor.name)


async def pause_from_above(ctx: Context, row: AgentRow) -> AgentRow | None:
    """The agent above whose pause reached this one, if the actor may not end that pause."""
    if row["paused_with"] is None:
        return None
    root = await agents.get(ctx.tx, ctx.installation_id, row["paused_with"])
    if root is None or root["paused_at"] is None:
        return None
    return None if may_resume(ctx, root) else root


def _is_lead_of(ctx: Context, row: AgentRow) -> bool:
    """Whether the actor may resume any agent, and this is another one."""
    return permissions.allows_everywhere(ctx.actor, RESUME) and ctx.actor.name != row["id"]
