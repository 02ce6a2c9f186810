"""What becomes of the agents below one that has ended: they are unregistered, and told."""

from collections.abc import Collection, Sequence

from bot.agents import agent_tasks
from bot.agents.team_control import MOST_TASKS
from bot.identity.actors import ACTIONS, BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from store.agents import agents
from store.engine.transaction import Tx
from store.tasks import tasks

# An end is never refused, so what is below so many agents goes on.
MOST_AGENTS = 1000


async def below(tx: Tx, installation_id: int, agent_id: str) -> list[str]:
    """The agents below this one, each after its parent; not those below an agent of a run.

    Runs end by themselves, and with them what is below their agents.
    """
    found: list[str] = []
    level: Sequence[str] = [agent_id]
    while level and len(found) < MOST_AGENTS:
        children = await agents.children(tx, installation_id, level, MOST_AGENTS)
        level = [each for each in children if not each.startswith(ACTIONS)]
        level = [each for each in level if each not in found]
        found += level
    return found


async def lock_tasks(tx: Tx, installation_id: int, agent_ids: Sequence[str]) -> list[str]:
    """Lock what these agents hold or what is reserved for them, before anything else is locked."""
    if not agent_ids:
        return []
    found = await agent_tasks.of(tx, installation_id, agent_ids, MOST_TASKS)
    for each in found:
        await tasks.lock(tx, installation_id, each)
    return found


async def unregister(
    tx: Tx, installation_id: int, agent_ids: Collection[str], task_ids: Sequence[str], why: str
) -> list[str]:
    """Unregister the agents, and release their locked tasks. Return the agents that were here."""
    if not agent_ids:
        return []
    here = (tx, installation_id)
    await agent_tasks.release(*here, task_ids, agent_ids, BOT, why, except_in_review=True)
    rows = await agents.lock(*here, sorted(agent_ids))
    gone = [row["id"] for row in rows if row["left_at"] is None]
    if gone:
        await agents.change(*here, gone, left_at=await tx.now())
    for each in gone:
        event = Happening("agent.left", each, each, BOT, {"note": why})
        await event_recorder.append(*here, event)
    return gone
