"""Budgets: what an agent and all agents below it may spend together.

Each report counts for the budgets of its agent and of all above it. When one is used up, no agent
in its team claims a task or starts a run. `agents.spent_of` names it on each of their rows.
"""

from collections import defaultdict
from collections.abc import Sequence

from bot.agents import hierarchy
from bot.errors import Refused
from bot.identity.actors import ACTIONS, BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.quotas.money import amount
from store.agents import agent_budgets, agents
from store.agents.agents import Member
from store.engine.transaction import Tx
from store.tables.agents import AgentBudgetRow, AgentRow

# Agents of a team that get the notice.
MOST_TOLD = 200


def is_used_up(row: AgentBudgetRow) -> bool:
    return which(row) is not None


def which(row: AgentBudgetRow, beyond: int = 0) -> str | None:
    """Which limit is reached, or exceeded by as much as `beyond`, in words."""
    if row["tokens"] is not None and row["spent_tokens"] >= row["tokens"] + beyond:
        return f"{row['tokens']} tokens"
    if row["cost"] is not None and row["spent_cost"] >= row["cost"] + beyond:
        return f"a cost of {amount(row['cost'])}"
    return None


async def change(
    tx: Tx, installation_id: int, agent_id: str, by: str, tokens: int | None, cost: int | None
) -> None:
    """Set limits; 0 ends one, and None leaves it. What was spent stays, so a limit can be raised.

    `cost`: in millionths. The caller has checked who asks, and has locked the agent's row.
    """
    here = (tx, installation_id)
    before = (await agent_budgets.of_agents(*here, [agent_id], lock=True)).get(agent_id)
    now = await tx.now()
    row: AgentBudgetRow = {
        "installation_id": installation_id,
        "agent_id": agent_id,
        "tokens": _limit(tokens, before and before["tokens"]),
        "cost": _limit(cost, before and before["cost"]),
        "spent_tokens": before["spent_tokens"] if before else 0,
        "spent_cost": before["spent_cost"] if before else 0,
        "set_by": by,
        "set_at": now,
        "reached_at": None,
    }
    if row["tokens"] is None and row["cost"] is None:
        await agent_budgets.remove(*here, agent_id)
    else:
        since = before["reached_at"] if before else None
        row["reached_at"] = (since or now) if is_used_up(row) else None
        await agent_budgets.put(tx, row)
    await mark_team(*here, agent_id)
    # Those who wait for a task look again.
    tx.rings.add(f"installation {installation_id}")


def _limit(given: int | None, before: int | None) -> int | None:
    return before if given is None else given or None


async def count(
    tx: Tx, installation_id: int, agent_id: str, tokens: int, cost: int
) -> list[AgentBudgetRow]:
    """Count a report. Return the budgets that are used up, those of the highest agents last."""
    here = (tx, installation_id)
    chain = await hierarchy.above(*here, agent_id)
    if not await agent_budgets.add_spend(*here, chain, tokens, cost):
        return []
    rows = await agent_budgets.of_agents(*here, chain, lock=True)
    used_up = [rows[each] for each in chain if each in rows and is_used_up(rows[each])]
    new = [row for row in used_up if row["reached_at"] is None]
    for row in new:
        await agent_budgets.mark_reached(*here, row["agent_id"], await tx.now())
    for row in new:
        team = await mark_team(*here, row["agent_id"])
        await _announce(tx, row, team, agent_id)
    return used_up


async def _announce(tx: Tx, row: AgentBudgetRow, team: Sequence[str], reporter: str) -> None:
    """Tell the team, and who set the budget."""
    me = row["agent_id"]
    data = {"limit": which(row), "by": reporter}
    told = tuple(dict.fromkeys([me, reporter, row["set_by"], *team]))[:MOST_TOLD]
    if row["set_by"] == BOT:
        # Runs are told when they are asked to stop.
        told = tuple(each for each in told if not each.startswith(ACTIONS))
    event = Happening("agent.budget", me, me, BOT, data, team=told)
    await event_recorder.append(tx, row["installation_id"], event)


async def mark_team(
    tx: Tx, installation_id: int, root_id: str, *, only_adds: bool = False
) -> list[str]:
    """Store on each agent of the team whose budget is used up. Return the team.

    `only_adds`: an agent that chose another parent itself does not get free by that.
    """
    here = (tx, installation_id)
    found: list[Member] = []
    # An agent may get a child before its row is locked: the second round finds it.
    for _ in range(2):
        found = await agents.team(*here, root_id, hierarchy.DEEPEST)
        await agents.lock_all(*here, [each["id"] for each in found])
    chain = await hierarchy.above(*here, root_id)
    ids = [*(each["id"] for each in found), *chain]
    used_up = await agent_budgets.used_up(*here, ids)
    spent_of = dict[str, str | None]()
    spent_of[root_id] = next((each for each in chain if each in used_up), None)
    groups = defaultdict[str | None, list[str]](list)
    for each in found:
        above = spent_of.get(each["parent_id"] or "")
        now = spent_of.setdefault(each["id"], each["id"] if each["id"] in used_up else above)
        if now != each["spent_of"] and not (only_adds and now is None):
            groups[now].append(each["id"])
    for budget, names in groups.items():
        await agents.change(*here, names, spent_of=budget)
    return [each["id"] for each in found]


async def rest_of(tx: Tx, installation_id: int, agent_id: str) -> tuple[int | None, int | None]:
    """The tokens and the cost that the agent may still spend; None: no limit."""
    chain = await hierarchy.above(tx, installation_id, agent_id)
    rows = (await agent_budgets.of_agents(tx, installation_id, chain)).values()
    tokens = [row["tokens"] - row["spent_tokens"] for row in rows if row["tokens"] is not None]
    cost = [row["cost"] - row["spent_cost"] for row in rows if row["cost"] is not None]
    return min(tokens, default=None), min(cost, default=None)


async def check_left(tx: Tx, row: AgentRow) -> None:
    """Raise Refused if the budget of the agent, or of one above it, is used up."""
    if row["spent_of"] is None:
        return
    raise Refused(
        "spend_cap",
        f"{await why_stopped(tx, row)} It claims no task and starts no run. Finish what you hold. "
        f"{await remedy(tx, row)} Nothing was changed.",
        of="team",
        agent_id=row["spent_of"],
    )


async def why_stopped(tx: Tx, row: AgentRow) -> str:
    """For an agent with `spent_of`."""
    root = row["spent_of"] or ""
    found = (await agent_budgets.of_agents(tx, row["installation_id"], [root])).get(root)
    limit = found and which(found)
    of = f" of {limit}" if limit else ""
    whose = "Your budget" if root == row["id"] else f"The budget of {root}, which is above you,"
    return f"{whose}{of} for all agents below too is used up."


async def remedy(tx: Tx, row: AgentRow) -> str:
    root = row["spent_of"] or ""
    found = (await agent_budgets.of_agents(tx, row["installation_id"], [root])).get(root)
    by = found["set_by"] if found and found["set_by"] != BOT else "an agent above it"
    return f"{by} or a tech-lead can raise it: update_agent with `agent_id` {root}."
