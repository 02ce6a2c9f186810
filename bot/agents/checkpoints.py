"""What an agent leaves to resume from, sealed.

A checkpoint is stored as the 8 letters of its secret's key id (`Keys.id`), followed by
`Keys.seal("checkpoints", sealed_for(installation_id, agent_id, task_id), …)` of its JSON.
"""

import json
from typing import Any

import structlog
from pydantic import BaseModel, Field

from bot.contexts import contents
from bot.errors import Refused
from bot.identity.keyring import Broken, Keys
from bot.kernel.operation import Context
from bot.times import stamp
from store.agents import checkpoints
from store.tables.agents import CheckpointRow

log = structlog.get_logger()

PURPOSE = "checkpoints"
# The largest checkpoint, in bytes of UTF-8.
LARGEST = 60_000
# The most checkpoints of one agent. Beyond that, the oldest are deleted.
MOST_KEPT = 100


class Checkpoint(BaseModel):
    """The stored state of an agent."""

    agent_id: str
    saved_at: str
    state: Any
    broken: bool = Field(description="whether it cannot be decrypted; then `state` is empty")


def checked_state(state: Any) -> Any:
    """Validate that the value is JSON and not nested too deep."""
    _json_bytes(contents.validate(state))
    return state


def _json_bytes(state: Any) -> bytes:
    """Raise ValueError."""
    return json.dumps(state, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def sealed_for(installation_id: int, agent_id: str, task_id: str) -> str:
    """What a checkpoint is encrypted with, so that it cannot be decrypted in another row."""
    return f"{installation_id} {agent_id} {task_id}"


async def save(ctx: Context, task_id: str, state: Any) -> None:
    """Store the actor's checkpoint, replacing the one before. Raise Refused."""
    content = _json_bytes(state)
    if len(content) > LARGEST:
        raise Refused(
            "too_large",
            f"`checkpoint` has {len(content)} bytes; at most {LARGEST} are allowed. Store large "
            "data in a branch or a context, and its place in the checkpoint.",
            size=len(content),
            largest=LARGEST,
        )
    keys, me = ctx.shared.keys, ctx.actor.name
    sealed = keys.seal_with_id(PURPOSE, sealed_for(ctx.installation_id, me, task_id), content)
    row: CheckpointRow = {
        "installation_id": ctx.installation_id,
        "agent_id": me,
        "task_id": task_id,
        "saved_at": ctx.now,
        "sealed": sealed,
    }
    await checkpoints.put(ctx.tx, row)
    await checkpoints.trim(ctx.tx, ctx.installation_id, me, MOST_KEPT)


async def checkpoint_of(ctx: Context, agent_id: str, task_id: str) -> Checkpoint | None:
    """The checkpoint of an agent for a task, or with '' for none. The caller checks the access."""
    row = await checkpoints.get(ctx.tx, ctx.installation_id, agent_id, task_id)
    if row is None:
        return None
    state, broken = None, False
    try:
        state = json.loads(_content(ctx.shared.keys, row))
    except Broken as exc:
        broken = True
        where = {"installation": ctx.installation_id, "agent": agent_id, "task": task_id}
        log.warning("checkpoint broken", why=str(exc), **where)
    saved_at = stamp(row["saved_at"])
    return Checkpoint(agent_id=agent_id, saved_at=saved_at, state=state, broken=broken)


def _content(keys: Keys, row: CheckpointRow) -> bytes:
    """Raise Broken."""
    where = sealed_for(row["installation_id"], row["agent_id"], row["task_id"])
    return keys.open_with_id(PURPOSE, where, row["sealed"])
