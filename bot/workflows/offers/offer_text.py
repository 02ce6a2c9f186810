"""Says for whom a step was kept, until when and why, and who else was considered."""

from bot.kernel.sentences import with_full_stop
from bot.tasks.states import CLAIMABLE
from bot.times import minute
from bot.workflows.offers.offers import NOBODY, absence
from store.engine.transaction import Tx
from store.tables.workflows import StepOfferRow
from store.tasks.tasks import FullTask
from store.workflows import offers


async def explanation(tx: Tx, task: FullTask) -> str | None:
    """In one or two sentences. None for a task that is no step, or that nobody was offered."""
    if task["state"] not in CLAIMABLE:
        return None
    offer = await offers.of_task(tx, task["installation_id"], task["id"])
    if offer is None or offer["fence"] != task["fence"]:
        return None
    if offer["agent_id"] is None:
        return _without_agent(task, offer)
    if offer["until_at"] is None:
        return await _of_named_agent(tx, task, offer)
    return _by_policy(task, offer["until_at"], offer)


def _without_agent(task: FullTask, offer: StepOfferRow) -> str | None:
    if offer["why"] == NOBODY:
        return with_full_stop(f"Any agent can claim it, because {NOBODY}")
    # While the run does not start, the hold says why.
    return None if task["held"] else with_full_stop(offer["why"])


async def _of_named_agent(tx: Tx, task: FullTask, offer: StepOfferRow) -> str:
    agent_id = str(offer["agent_id"])
    away = await absence(tx, task["installation_id"], agent_id)
    if task["assigned_to"] != agent_id:
        return f"Its step names {agent_id}, which did not claim it, so any agent can."
    if away is None:
        return f"Its step names {agent_id}."
    return f"Its step names {agent_id}, which {away}. After a day any agent can claim it."


def _by_policy(task: FullTask, until: int, offer: StepOfferRow) -> str:
    others = "; ".join(f"{each['agent']}: {each['why']}" for each in offer["considered"])
    compared = f" Others that could take it: {others}." if others else ""
    best = f"{offer['agent_id']} until {minute(until)} by the policy of its workflow"
    if task["assigned_to"] == offer["agent_id"]:
        return f"It is kept for {best}: {offer['why']}.{compared}"
    return f"It was kept for {best}: {offer['why']}. Now any agent can claim it."
