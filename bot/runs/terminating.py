"""Stops a run together with all runs below it.

A run that waits ends at once. A started one is asked to stop, so that its agent can save its work.
`bot.background.run_steps` cancels it on GitHub after a while.
"""

from collections.abc import Sequence

from bot.runs import ended_work, ends, queue, steps
from store.engine.transaction import Tx
from store.outbox import write_cancellation, writes
from store.runs import runs
from store.tables.runs import AgentRunRow


async def stop_tree(tx: Tx, run: AgentRunRow, by: str, why: str) -> list[AgentRunRow]:
    """Stop the run and all below it. Return those that this changed, each after its parent."""
    stopped = await _stop_each(tx, await _locked_tree(tx, run), by, why)
    await queue.promote(tx, run["installation_id"], run["repository_id"])
    return stopped


async def stop_below(tx: Tx, run: AgentRunRow, by: str, why: str) -> list[AgentRunRow]:
    """Stop the runs below a run. Their places stay free until the caller gives them to others."""
    everybody = await _locked_tree(tx, run)
    return await _stop_each(tx, [each for each in everybody if each["id"] != run["id"]], by, why)


async def _locked_tree(tx: Tx, run: AgentRunRow) -> list[AgentRunRow]:
    """The run and all below it. No other run is started in this tree meanwhile."""
    await runs.lock(tx, run["installation_id"], run["root_id"])
    return await runs.subtree(tx, run)


async def _stop_each(tx: Tx, found: Sequence[AgentRunRow], by: str, why: str) -> list[AgentRunRow]:
    stopped = [await stop(tx, each, by, why) for each in found]
    return [each for each in stopped if each is not None]


async def stop(tx: Tx, run: AgentRunRow, by: str, why: str) -> AgentRunRow | None:
    """Stop one run. Return it, or None if it has ended or stops already."""
    # Tasks are locked before runs. Since the caller read the run, it may have got its place.
    await ended_work.lock_tasks(tx, run["installation_id"], run["agent_id"])
    locked = await runs.lock(tx, run["installation_id"], run["id"])
    if locked is None:
        return None
    if locked["state"] == "queued" or await _cancel_dispatch(tx, locked, why):
        return await ends.end_one(tx, locked, "cancelled", by, why)
    return await steps.record(tx, locked, "stop", by, why)


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
