"""What agents may spend, each together with all agents below it."""

from collections.abc import Sequence

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.agents import AgentBudgetRow

COLUMNS = tuple(AgentBudgetRow.__annotations__)
KEY = ("installation_id", "agent_id")
READ = "SELECT * FROM agent_budgets WHERE installation_id = :i AND agent_id IN :ids"
# How many names one statement has.
NAMES = 1000
LOCK = f"{READ} ORDER BY agent_id FOR UPDATE"


async def put(tx: Tx, row: AgentBudgetRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "agent_budgets", COLUMNS, KEY), **row)


async def remove(tx: Tx, installation_id: int, agent_id: str) -> None:
    q = "DELETE FROM agent_budgets WHERE installation_id = :i AND agent_id = :a"
    await tx.run(q, i=installation_id, a=agent_id)


async def of_agents(
    tx: Tx, installation_id: int, agent_ids: Sequence[str], *, lock: bool = False
) -> dict[str, AgentBudgetRow]:
    """The budgets of those agents that have one, by agent."""
    q = LOCK if lock else READ
    rows: list[AgentBudgetRow] = await tx.all(q, i=installation_id, ids=tuple(agent_ids))
    return {row["agent_id"]: row for row in rows}


async def used_up(tx: Tx, installation_id: int, agent_ids: Sequence[str]) -> set[str]:
    """Those of these agents whose budget is used up."""
    q = f"{READ} AND reached_at IS NOT NULL"
    found = set[str]()
    for n in range(0, len(agent_ids), NAMES):
        some = tuple(agent_ids[n : n + NAMES])
        found |= {row["agent_id"] for row in await tx.all(q, i=installation_id, ids=some)}
    return found


async def add_spend(
    tx: Tx, installation_id: int, agent_ids: Sequence[str], tokens: int, cost: int
) -> bool:
    """Count a report for the budgets of these agents. Return whether one of them has any."""
    return bool(
        await tx.run(
            "UPDATE agent_budgets SET spent_tokens = spent_tokens + :tokens, "
            "spent_cost = spent_cost + :cost WHERE installation_id = :i AND agent_id IN :ids",
            i=installation_id,
            ids=tuple(agent_ids),
            tokens=tokens,
            cost=cost,
        )
    )


async def mark_reached(tx: Tx, installation_id: int, agent_id: str, at: int) -> None:
    q = "UPDATE agent_budgets SET reached_at = :at WHERE installation_id = :i AND agent_id = :a"
    await tx.run(q, i=installation_id, a=agent_id, at=at)
