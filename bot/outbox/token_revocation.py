"""What the end of a token takes from its agent: with the last one, its tasks and queued writes."""

from dataclasses import dataclass

from bot.agents import agent_tasks, team_end
from bot.agents.team_control import MOST_TASKS
from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.outbox import stopped
from bot.runs import terminating
from store.agents import agents
from store.engine.transaction import Tx
from store.identity import credentials
from store.runs import runs


@dataclass(frozen=True)
class Revocation:
    """`cancelled`: how many queued writes. `released`: the tasks, by their names."""

    installation_id: int
    agent: str
    has_other_token: bool
    cancelled: int = 0
    released: tuple[str, ...] = ()
    # What it was, if it only served to get a token: such an end takes nothing from the agent.
    kind: str = ""


async def revoke(tx: Tx, credential_id: str) -> Revocation | None:
    """Revoke a token or session. None if there is none, or it is revoked already."""
    row = await credentials.get(tx, credential_id)
    if row is None or not await credentials.revoke(tx, credential_id):
        return None
    here, agent = row["installation_id"], row["actor"]
    if row["kind"] not in credentials.BEARER_KINDS:
        kind = row["kind"].replace("_", " ")
        return Revocation(here, agent, has_other_token=False, kind=kind)
    if await credentials.of_actor(tx, here, agent):
        return Revocation(here, agent, has_other_token=True)
    released = await _release_tasks(tx, here, agent)
    await _end_below(tx, here, agent)
    reason = stopped.REVOKED.format(author=agent)
    cancelled = await stopped.cancel_queued(tx, here, [agent], reason)
    return Revocation(here, agent, False, len(cancelled), tuple(released))


async def _end_below(tx: Tx, installation_id: int, agent: str) -> None:
    """Stop the runs below the agent, and unregister the other agents below it."""
    here, why = (tx, installation_id), f"the token of {agent} above it was revoked"
    ids = await team_end.below(*here, agent)
    held = await team_end.lock_tasks(*here, ids)
    for run in await runs.asked_by(*here, [agent, *ids]):
        await terminating.stop_tree(tx, run, BOT, why)
    gone = await team_end.unregister(*here, ids, held, why)
    if gone:
        await stopped.cancel_queued(*here, gone, f"{why[0].upper()}{why[1:]}.")


async def _release_tasks(tx: Tx, installation_id: int, agent: str) -> list[str]:
    """Release what the agent holds, but not what is in review. Tell those who wait."""
    here = (tx, installation_id)
    row = await agents.get(*here, agent)
    if row is None:
        return []
    task_ids = (await agent_tasks.of(*here, [agent], MOST_TASKS))[:MOST_TASKS]
    why = "its token was revoked"
    freed = await agent_tasks.release(*here, task_ids, [agent], BOT, why, except_in_review=True)
    data = {"parent": row["parent_id"], "released": freed}
    said = {name: value for name, value in data.items() if value}
    await event_recorder.append(*here, Happening("agent.revoked", agent, agent, BOT, said))
    return freed
