"""Ends one run: its state, and the leases, reservations and sessions of its agent."""

from bot.agents import team_end
from bot.runs import ended_work, steps
from bot.runs.states import End, Step
from store.engine.transaction import Tx
from store.identity import credentials
from store.runs import runs
from store.tables.runs import AgentRunRow

STEP_OF: dict[End, Step] = {
    "succeeded": "succeed",
    "failed": "fail",
    "cancelled": "cancel",
    "not_started": "not_start",
}


async def end_one(
    tx: Tx, run: AgentRunRow, end: End, by: str, why: str | None = None
) -> AgentRunRow | None:
    """End a run, and return its row then. None if it has ended before.

    The caller stops the runs below it, and gives its place to a run that waits.
    """
    here = (tx, run["installation_id"])
    held = await ended_work.lock_tasks(*here, run["agent_id"])
    below = await team_end.below(*here, run["agent_id"]) if end != "succeeded" else []
    held_below = await team_end.lock_tasks(*here, below)
    locked = await runs.lock(tx, run["installation_id"], run["id"])
    if locked is None:
        return None
    if end == "not_started" and locked["started_at"] is not None:
        end = "failed"  # it was seen to run
    ended = await steps.record(tx, locked, STEP_OF[end], by, why)
    if ended is None:
        return None
    await ended_work.release(tx, held, run["agent_id"], end, why or locked["why"] or "")
    if ended["state"] != "succeeded":
        why_below = f"the run {run['id']} above it is over ({ended['state']})"
        await team_end.unregister(*here, below, held_below, why_below)
    # Its job may go on for a while, but its calls are refused.
    await _end_sessions(tx, ended, is_cancelled=end == "cancelled")
    return ended


async def _end_sessions(tx: Tx, run: AgentRunRow, *, is_cancelled: bool) -> None:
    """End them. What the agent of a cancelled run queued is not sent either."""
    for each in await credentials.of_actor(tx, run["installation_id"], run["agent_id"]):
        if is_cancelled:
            await credentials.revoke(tx, each)
        else:
            await credentials.end(tx, each)
