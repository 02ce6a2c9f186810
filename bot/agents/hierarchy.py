"""Parents and children of agents."""

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context
from store.agents import agents
from store.engine.transaction import Tx
from store.tables.agents import AgentRow

# The action of the permission table.
PLACE = "update_agent.parent_id"
# The most agents that may be above an agent.
DEEPEST = 20
# The most that one call may change, because it is one transaction.
MOST_AGENTS = 200


async def check_may_place(ctx: Context, row: AgentRow, parent_id: str) -> None:
    """Raise Refused if the actor may not give the agent this parent. '' stands for no parent."""
    above, me = row["parent_id"], ctx.actor.name
    leads_all = permissions.allows_everywhere(ctx.actor, PLACE)
    if leads_all or above == me or await is_below(ctx, row["id"], me):
        return
    bound = await _nearest_present(ctx, above)
    if row["id"] == me and await _stays_below(ctx, parent_id, above, bound):
        return
    raise _placement_error(ctx, row, bound)


async def _nearest_present(ctx: Context, above: str | None) -> str | None:
    """The nearest agent above that has not left, starting with `above` itself."""
    for _ in range(DEEPEST):
        row = await agents.get(ctx.tx, ctx.installation_id, above) if above else None
        if row is None or row["left_at"] is None:
            return above
        above = row["parent_id"]
    return None


async def _stays_below(ctx: Context, parent_id: str, above: str | None, bound: str | None) -> bool:
    """Whether an agent may choose this parent itself, because its own parent has left.

    It must stay below `bound`, the nearest agent above it that has not left.
    """
    if bound is None:
        return True
    return bound != above and (parent_id == bound or await is_below(ctx, parent_id, bound))


def _placement_error(ctx: Context, row: AgentRow, bound: str | None) -> Refused:
    me, above = row["id"], row["parent_id"]
    if above is None:
        return Refused(
            "forbidden",
            f"Only {me} itself, or a tech-lead, may set its `parent_id`.",
            **permissions.missing(ctx.actor, PLACE),
        )
    if bound == above:
        who = f"{above}. {above}, agents above that, or a tech-lead, may change its `parent_id`"
    elif bound is None:
        who = f"{above}, which has left. {me} itself, or a tech-lead, may change its `parent_id`"
    else:
        who = (
            f"{above}, which has left, and below {bound}. {me} itself may choose {bound} or an "
            f"agent below it. {bound}, agents above that, or a tech-lead, may choose any parent"
        )
    return Refused(
        "forbidden",
        f"{me} is below {who}. Leave `parent_id` out to keep the parent. Nothing was changed.",
        parent_id=above,
        **permissions.missing(ctx.actor, PLACE),
    )


async def check_depth(ctx: Context, agent_id: str, parent_id: str) -> None:
    """Raise Refused if the parent is the agent itself or below it, or if the tree gets too deep.

    The caller has locked the agent's row. This locks the rows of all agents above it. So if two
    changes together would make a cycle, or make the tree too deep, the second one sees the first.
    """
    above = await _lock_above(ctx, agent_id, parent_id)
    below = await agents.levels_below(ctx.tx, ctx.installation_id, agent_id, DEEPEST)
    if above + below > DEEPEST:
        also = f" and {agent_id} {below} levels below it" if below else ""
        raise Refused(
            "invalid_arguments",
            f"`parent_id`: {parent_id} has {above - 1} agents above it{also}. The lowest would "
            f"have {above + below} above it; at most {DEEPEST} are allowed.",
        )


async def _lock_above(ctx: Context, agent_id: str, parent_id: str) -> int:
    """Lock the agents that would be above. Return how many. Raise Refused if one is the agent."""
    above, n = parent_id, 0
    while n <= DEEPEST:
        if above == agent_id:
            raise Refused(
                "invalid_arguments",
                f"`parent_id`: {agent_id} cannot be its own parent."
                if parent_id == agent_id
                else f"`parent_id`: {parent_id} is below {agent_id} and cannot be its parent.",
            )
        n += 1
        found = await agents.lock(ctx.tx, ctx.installation_id, [above])
        if not found or found[0]["parent_id"] is None:
            break
        above = found[0]["parent_id"]
    return n


async def check_room_below(tx: Tx, installation_id: int, parent_id: str) -> None:
    """Raise Refused if so many agents are above this one that it can have no child."""
    above: str | None = parent_id
    for _ in range(DEEPEST):
        row = await agents.get(tx, installation_id, above) if above else None
        above = row["parent_id"] if row else None
    if above:
        raise Refused(
            "run_limit",
            f"{DEEPEST} agents are above {parent_id}, so no agent can be below it.",
            limit="depth",
        )


async def is_below(ctx: Context, agent_id: str, above: str) -> bool:
    """Whether the agent is a child of the other one, or a child of such a child, and so on."""
    row = await agents.get(ctx.tx, ctx.installation_id, agent_id)
    for _ in range(DEEPEST):
        if row is None or row["parent_id"] is None:
            return False
        if row["parent_id"] == above:
            return True
        row = await agents.get(ctx.tx, ctx.installation_id, row["parent_id"])
    return False


async def subtree(ctx: Context, agent_id: str) -> list[str]:
    """The agent and all agents below it. Raise Refused if they are too many."""
    found, level = {agent_id}, [agent_id]
    while level:
        below = await agents.children(ctx.tx, ctx.installation_id, level, MOST_AGENTS + 1)
        level = [each for each in below if each not in found]
        found |= set(level)
        if len(found) > MOST_AGENTS:
            raise Refused(
                "too_large",
                f"{agent_id} has {MOST_AGENTS} or more agents below it, too many for one call. "
                f"Call this for each child; list_agents with `parent` {agent_id} lists them. Then "
                "pass `with_children` false for the agent itself.",
                most=MOST_AGENTS,
            )
    return sorted(found)


async def above(tx: Tx, installation_id: int, agent_id: str) -> list[str]:
    """The agent and all agents above it, the nearest first."""
    found, row = [agent_id], await agents.get(tx, installation_id, agent_id)
    while row and row["parent_id"] and len(found) <= DEEPEST:
        found.append(row["parent_id"])
        row = await agents.get(tx, installation_id, row["parent_id"])
    return found
