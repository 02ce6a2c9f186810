"""Whether an agent is registered and at work, paused, or gone."""

from typing import TypeVar

from bot.errors import Refused
from bot.identity.actors import BOT, PLUGIN, Actor
from bot.kernel.operation import Presence
from bot.kernel.sentences import with_full_stop
from bot.times import from_now, stamp
from store import events
from store.agents import agents
from store.agents.call_state import CallState
from store.engine import json_text
from store.engine.transaction import Tx
from store.tables.agents import AgentRow

T = TypeVar("T", bound=AgentRow)


async def check_may_work(tx: Tx, actor: Actor) -> None:
    """Raise Refused for an agent that never registered, has left, or is paused.

    Until the end of the transaction nobody pauses it. Tasks are locked before agents.
    """
    if not actor.is_person and actor.name != BOT and not actor.name.startswith(PLUGIN):
        found = await agents.lock(tx, actor.installation_id, [actor.name])
        await check_at_work(tx, found[0] if found else None, await tx.now())


async def check_presence(tx: Tx, actor: Actor, presence: Presence, state: CallState) -> None:
    """Raise Refused for an agent that has left or, where it must be at work, is paused.

    One that never registered passes, and so does a person. Nothing is locked. `state`: what the
    call has read, as nothing is wrong with most agents.
    """
    if actor.is_person or presence == "any":
        return
    if state["left_at"] is None and state["paused_at"] is None:
        return
    row = await agents.get(tx, actor.installation_id, actor.name)
    if row is not None:
        await _check_present(tx, row, presence, await tx.now())


async def check_at_work(tx: Tx, row: T | None, now: int) -> T:
    """The agent. Raise Refused as `check_may_work` does."""
    if row is None:
        raise never_registered()
    await _check_present(tx, row, "at_work", now)
    return row


def never_registered() -> Refused:
    return Refused("not_registered", "Call register_agent first.")


async def _check_present(tx: Tx, row: AgentRow, presence: Presence, now: int) -> None:
    # The agent of a run has a row from the start of the run.
    if row["left_at"] is not None and row["left_at"] == row["registered_at"]:
        raise never_registered()
    if row["left_at"] is not None:
        raise Refused(
            "not_registered",
            f"{row['id']} was unregistered {from_now(row['left_at'], now)}. Call register_agent to "
            "come back.",
        )
    if row["paused_at"] is not None and presence == "at_work":
        raise _paused_error(row, now, await _pause_note(tx, row))


async def _pause_note(tx: Tx, row: AgentRow) -> str | None:
    """The reason that somebody gave for the pause."""
    event = await events.newest(tx, row["installation_id"], row["id"], "agent.paused")
    note: str | None = json_text.value(event["data"]).get("note") if event else None
    return note


def _paused_error(row: AgentRow, now: int, note: str | None) -> Refused:
    by = row["paused_by"]
    root = row["paused_with"]
    own = by == row["id"] and root is None
    since = row["paused_at"] or 0
    who = "You paused yourself" if own else f"{by} paused you"
    who += f" with {root}, which is above you," if root else ""
    why = f": {note}" if note else ""
    ends = (
        "manage_agent with `action` resume ends the pause."
        if own
        else f"Ask {by} to end the pause."
    )
    return Refused(
        "agent_paused",
        f"{with_full_stop(f'{who} {from_now(since, now)}{why}')} You may read, send messages and "
        f"report, but not claim tasks, decide about them or write on GitHub. {ends}",
        paused_by=by,
        paused_at=stamp(since),
    )
