"""Stops a run together with all runs below it.

A run that waits ends at once. A started one is asked to stop, so that its agent can save what is
worth keeping. `bot.background` cancels it on GitHub when its time to do so is over.
"""

from bot.runs import steps
from store.engine.transaction import Tx
from store.outbox import write_cancellation, writes
from store.runs import runs
from store.tables.runs import AgentRunRow


async def stop_tree(tx: Tx, run: AgentRunRow, by: str, why: str) -> list[AgentRunRow]:
    """Stop the run and all below it. Return those that this changed, each after its parent."""
    # No other run is started in this tree meanwhile.
    await runs.lock(tx, run["installation_id"], run["root_id"])
    stopped = []
    for each in await runs.subtree(tx, run):
        locked = await runs.lock(tx, each["installation_id"], each["id"])
        changed = locked and await stop(tx, locked, by, why)
        stopped += [changed] if changed else []
    return stopped


async def stop(tx: Tx, run: AgentRunRow, by: str, why: str) -> AgentRunRow | None:
    """Stop one locked run. Return it, or None if it has ended or stops already."""
    if run["state"] == "queued" or await _cancel_dispatch(tx, run, why):
        return await steps.record(tx, run, "cancel", by, why)
    return await steps.record(tx, run, "stop", by, why)


async def _cancel_dispatch(tx: Tx, run: AgentRunRow, why: str) -> bool:
    """Cancel the write that would start the workflow. False if it may have gone out."""
    if run["state"] != "dispatched" or run["write_id"] is None:
        return False
    here = (tx, run["installation_id"])
    write = await writes.get(*here, run["write_id"])
    error = {"code": "cancelled", "message": why, "details": {}}
    return write is not None and await write_cancellation.cancel(
        tx, write, error, author_knows=True
    )
