"""Agents at work: whether one may, and what it left to resume from.

A checkpoint is kept as the 8 letters of its secret's key id (`Keys.id`), then what
`Keys.seal("checkpoints", about(installation_id, agent_id, task_id), …)` makes of its JSON.
"""

import json
from typing import Any

import structlog
from pydantic import BaseModel, Field

from bot.contexts import contents
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import KEY_ID, Broken, Keys
from bot.kernel.operation import Context, Presence
from bot.times import stamp
from store.agents import agents, checkpoints
from store.engine.transaction import Row, Tx

log = structlog.get_logger()

PURPOSE = "checkpoints"
# In bytes of UTF-8.
LARGEST = 60_000
# Of one agent; of more the oldest are dropped.
MOST_KEPT = 100


class Checkpoint(BaseModel):
    """What an agent left of its state."""

    agent_id: str
    saved_at: str
    state: Any
    broken: bool = Field(description="it was changed since, or its secret is not known any more")


async def may_work(tx: Tx, actor: Actor) -> None:
    """Raise Refused for an agent that never registered, has left, or is paused.

    Until the end of the transaction nobody pauses it. Tasks are locked before agents.
    """
    if not actor.is_person:
        found = await agents.locked(tx, actor.installation_id, [actor.name])
        at_work(found[0] if found else None)


async def admit(tx: Tx, actor: Actor, presence: Presence) -> None:
    """Raise Refused for an agent that has left or, where it must be at work, is paused.

    One that never registered passes, and so does a person. Nothing is locked.
    """
    if actor.is_person or presence == "any":
        return
    row = await agents.get(tx, actor.installation_id, actor.name)
    if row is not None:
        _present(row, presence)


def at_work(row: Row | None) -> Row:
    """The agent. Raise Refused as `may_work` does."""
    if row is None:
        raise Refused(
            "not_registered", "Call register_agent first: nobody knows yet what you can do."
        )
    _present(row, "at_work")
    return row


def _present(row: Row, presence: Presence) -> None:
    if row["left_at"] is not None:
        raise Refused(
            "not_registered",
            f"{row['id']} was unregistered at {stamp(row['left_at'])}: call register_agent to come "
            "back.",
        )
    if row["paused_at"] is not None and presence == "at_work":
        raise paused(row)


def paused(row: Row) -> Refused:
    by = row["paused_by"]
    own = by == row["id"]
    since = stamp(row["paused_at"])
    return Refused(
        "agent_paused",
        f"{'You paused yourself' if own else f'{by} paused you'} at {since}: you may read, message "
        "and report, but not claim, steer or write on GitHub. manage_agent with `resume` ends that"
        f"{'' if own else f', called by {by} or a tech-lead'}.",
        paused_by=by,
        paused_at=since,
    )


def keepable(state: Any) -> Any:
    """A validator: what JSON has, and not too deep."""
    _written(contents.keepable(state))
    return state


def _written(state: Any) -> bytes:
    """Raise ValueError."""
    return json.dumps(state, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def about(installation_id: int, agent_id: str, task_id: str) -> str:
    """What a checkpoint is sealed with: it opens in no other row."""
    return f"{installation_id} {agent_id} {task_id}"


async def save(ctx: Context, task_id: str, state: Any) -> None:
    """The actor's own, in the place of the one before. Raise Refused."""
    content = _written(state)
    if len(content) > LARGEST:
        raise Refused(
            "too_large",
            f"`checkpoint` has {len(content)} bytes, and {LARGEST} are taken: keep what is large "
            "in a branch or a context, and here where it is.",
            size=len(content),
            largest=LARGEST,
        )
    keys, me = ctx.shared.keys, ctx.actor.name
    sealed = keys.seal(PURPOSE, about(ctx.installation_id, me, task_id), content)
    row = {
        "installation_id": ctx.installation_id,
        "agent_id": me,
        "task_id": task_id,
        "saved_at": ctx.now,
        "sealed": keys.id.encode() + sealed,
    }
    await checkpoints.put(ctx.tx, row)
    await checkpoints.trim(ctx.tx, ctx.installation_id, me, MOST_KEPT)


async def checkpoint_of(ctx: Context, agent_id: str, task_id: str) -> Checkpoint | None:
    """What the agent left with a task, or with none by ''. Whoever asks may see it."""
    row = await checkpoints.get(ctx.tx, ctx.installation_id, agent_id, task_id)
    if row is None:
        return None
    state, broken = None, False
    try:
        state = json.loads(_opened(ctx.shared.keys, row))
    except Broken as exc:
        broken = True
        where = {"installation": ctx.installation_id, "agent": agent_id, "task": task_id}
        log.warning("checkpoint broken", why=str(exc), **where)
    saved_at = stamp(row["saved_at"])
    return Checkpoint(agent_id=agent_id, saved_at=saved_at, state=state, broken=broken)


def _opened(keys: Keys, row: Row) -> bytes:
    """Raise Broken."""
    where = about(row["installation_id"], row["agent_id"], row["task_id"])
    key_id, sealed = row["sealed"][:KEY_ID], row["sealed"][KEY_ID:]
    return keys.under(key_id.decode("ascii", "replace")).open(PURPOSE, where, sealed)
