"""The ready tasks, best first, as claim_task would take them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.agents import presence
from bot.errors import Refused
from bot.identity.actors import is_at_least
from bot.kernel.operation import Context
from bot.kernel.pagination import decode, encode
from bot.operations.tasks import hourly_limits, open_claims
from bot.repository import narrowing, repository_settings
from bot.tasks.capabilities import met_by, missing_capabilities
from store.agents import agents
from store.tables.agents import AgentRow
from store.tasks import ready
from store.tasks.ready import Place, Wanted
from store.tasks.tasks import FullTask

# Agents whose capabilities are compared with those that a ready task needs, and named for it.
MOST_AGENTS, MOST_NAMED = 500, 5


@dataclass(frozen=True)
class Ready:
    """A page of ready tasks, and the cursor of the next.

    `ready_for`: the agents that can claim each, for those who see what anybody can claim. `hint`:
    why the agent that asks can claim none of them now.
    """

    rows: Sequence[FullTask]
    following: str | None
    ready_for: Mapping[str, str | None] = field(default_factory=dict)
    hint: str | None = None


async def page(ctx: Context, wanted: Wanted, limit: int, cursor: str | None) -> Ready:
    """Raise Refused for a cursor of something else."""
    me = await _me(ctx)
    # Who steers or only looks sees what anybody can claim, and who can.
    by_itself = me is not None and ctx.actor.may("developer") and not ctx.actor.may("tech-lead")
    met = met_by(me["capabilities"]) if me and by_itself else None
    closed = frozenset[int]()
    if by_itself:
        closed = await narrowing.closed_repositories(ctx, "claim_task")
    wanted = replace(wanted, met=met, anybody=not by_itself, closed=closed)
    here = (ctx.tx, ctx.installation_id, ctx.actor.name)
    rows = await ready.page(*here, wanted, _after(cursor), limit + 1)
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        place = (last["priority"], last["failures"], last["queued_at"], last["id"])
        rows, following = rows[:limit], encode(" ".join(map(str, place)))
    if by_itself:
        return Ready(rows, following, hint=await _no_claim(ctx, me, rows))
    return Ready(rows, following, ready_for=await _ready_for(ctx, rows))


async def _me(ctx: Context) -> AgentRow | None:
    if ctx.actor.is_person:
        return None
    return await agents.get(ctx.tx, ctx.installation_id, ctx.actor.name)


async def _no_claim(ctx: Context, me: AgentRow | None, rows: Sequence[FullTask]) -> str | None:
    """Why the agent can claim nothing now, whatever is ready."""
    try:
        await presence.check_at_work(ctx.tx, me, ctx.now)
        await hourly_limits.check_claims(ctx)
        if rows:
            where = (ctx.installation_id, rows[0]["repository_id"])
            settings = await repository_settings.of(ctx.tx, *where)
            await open_claims.check_room(ctx, open_claims.most(ctx, settings.max_claims))
    except Refused as exc:
        return exc.message
    return None


async def _ready_for(ctx: Context, rows: Sequence[FullTask]) -> dict[str, str | None]:
    """The agents that can claim each task. None if every agent can."""
    found = dict[str, str | None]()
    needs_some = any(row["capabilities"] and not row["assigned_to"] for row in rows)
    able = await agents.at_work(ctx.tx, ctx.installation_id, MOST_AGENTS) if needs_some else []
    developers = [each for each in able if is_at_least(each["role"], "developer")]
    for row in rows:
        found[row["id"]] = row["assigned_to"]
        if row["capabilities"] and not row["assigned_to"]:
            found[row["id"]] = _able(developers, row["capabilities"])
    return found


def _able(developers: Sequence[AgentRow], needs: Sequence[str]) -> str:
    names = [
        each["id"] for each in developers if not missing_capabilities(each["capabilities"], needs)
    ]
    if not names:
        return f"nobody: no agent has {', '.join(needs)}"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _after(cursor: str | None) -> Place | None:
    if not cursor:
        return None
    *place, task_id = decode(cursor).split(" ")
    if len(place) != 3 or not all(each.isdecimal() and len(each) < 19 for each in place):
        raise Refused(
            "invalid_arguments",
            "`cursor` is wrong: pass next_cursor of a list_tasks answer for `ready`, unchanged.",
        )
    priority, failures, queued_at = map(int, place)
    return {"priority": priority, "failures": failures, "queued_at": queued_at, "id": task_id}
