"""After a report of use: the limits on tokens and money of the agents that it counts for."""

from bot.agents import team_budgets
from bot.identity.actors import ACTIONS, BOT
from bot.runs import limits, terminating
from store.engine.transaction import Tx
from store.runs import runs
from store.tables.runs import AgentRunRow


async def stop_over_limit(
    tx: Tx, installation_id: int, agent_id: str, currency: str
) -> list[AgentRunRow]:
    """Stop what an agent's report took beyond a limit. Return the runs that this changed.

    A limit holds for a run and all below it. The highest run beyond one is stopped, with all below.
    """
    # Only agents with this prefix are runs.
    if not agent_id.startswith(ACTIONS):
        return []
    run = await runs.of_agent(tx, installation_id, agent_id)
    if run is None:
        return []
    # Reports in one tree come one after the other, so the last one sees the sum of all.
    await runs.lock(tx, installation_id, run["root_id"])
    everybody = await runs.tree(tx, installation_id, run["root_id"])
    names = [each["agent_id"] for each in everybody]
    used = await runs.usage_of(tx, installation_id, names, currency)
    found = limits.highest_over(everybody, run, used, await tx.now())
    return await terminating.stop_tree(tx, found[0], BOT, found[1]) if found else []


async def count_for_team(
    tx: Tx, installation_id: int, agent_id: str, tokens: int, cost: int
) -> None:
    """Count a report for the budgets of the agent and of all above it.

    A run is asked to stop when agents below it that are no runs took it beyond its limits.
    """
    for row in await team_budgets.count(tx, installation_id, agent_id, tokens, cost):
        limit, me = team_budgets.which(row, beyond=1), row["agent_id"]
        if limit is None or not me.startswith(ACTIONS):
            continue
        run = await runs.of_agent(tx, installation_id, me)
        if run is not None and run["state"] in runs.NOT_ENDED:
            why = f"{run['id']} and the agents below it used more than {limit}"
            await terminating.stop_tree(tx, run, BOT, why)
