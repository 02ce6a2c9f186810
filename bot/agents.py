"""Agents at work: whether one may, and what it left to resume from."""

from pydantic import BaseModel

from bot.errors import Refused
from bot.operation import Context
from store import agents
from store.transaction import Tx


class Checkpoint(BaseModel):
    """What an agent left of its state."""


async def may_work(tx: Tx, installation_id: int, agent_id: str) -> None:
    """Raise Refused for one that never registered, has left, or is paused."""
    row = await agents.get(tx, installation_id, agent_id)
    if row is None:
        raise Refused("not_registered", "Call register_agent first, then claim.")


async def checkpoint_of(ctx: Context, agent_id: str, task_id: str) -> Checkpoint | None:
    """What the agent left with a task."""
    del ctx, agent_id, task_id
    return None
