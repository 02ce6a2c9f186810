"""Applies the ends of workflow runs, as soon as GitHub reports them, to their agents."""

from bot.identity.actions import job_sessions
from bot.identity.actions.job_sessions import ActionsSession
from bot.identity.actors import ACTIONS, BOT
from bot.repository.workflow_sessions import COMPLETED, has_ended
from bot.runs import ended_work, ends, queue, steps, terminating
from bot.runs.states import End
from bot.times import MINUTE
from store.engine.transaction import Tx
from store.mirror import workflow_runs
from store.runs import runs
from store.tables.builds import WorkflowJobRow, WorkflowRunRow
from store.tables.runs import AgentRunRow

IN_PROGRESS = "in_progress"
# After its last job a run completes within seconds. Then Hubbub asks how it ended.
AFTER_LAST_JOB = MINUTE


async def apply_end(tx: Tx, row: WorkflowRunRow, _: WorkflowRunRow | None = None) -> None:
    """End the agent run that is bound to the workflow run, and the leases of its agents."""
    run = await runs.of_workflow_run(tx, row["installation_id"], row["id"])
    if run is not None:
        await _end_bound(tx, row, run)
    if row["status"] != COMPLETED:
        return
    found = ended_work.end_of(row["conclusion"])
    for agent_id in await _agents_in(tx, row):
        held = await ended_work.lock_tasks(tx, row["installation_id"], agent_id)
        await ended_work.release(tx, held, agent_id, found)


async def _end_bound(tx: Tx, row: WorkflowRunRow, run: AgentRunRow) -> None:
    if row["run_attempt"] > (run["run_attempt"] or 1):
        # An attempt follows the end of the one before. The agent was that of the first.
        await end(tx, run, "failed", BOT, "its workflow run was started again")
    elif row["status"] == COMPLETED:
        found = ended_work.end_of(row["conclusion"])
        if run["state"] == "stopping" and found == "failed":
            found = "cancelled"  # it did what it was asked to
        await end(tx, run, found, BOT, _reason(run, found, row["conclusion"]))


def _reason(run: AgentRunRow, found: End, conclusion: str | None) -> str | None:
    """Why it ended. None: the reason of its stop stays, or it succeeded."""
    if found == "succeeded" or (found == "cancelled" and run["state"] == "stopping"):
        return None
    if found == "cancelled":
        return "its workflow run was cancelled on GitHub"
    return f"its workflow run ended with {conclusion}"


async def end(tx: Tx, run: AgentRunRow, found: End, by: str, why: str | None) -> AgentRunRow | None:
    """End a run with all that follows. None if it has ended before.

    After a success the runs below it go on; otherwise they are stopped. Its place is given away.
    """
    ended = await ends.end_one(tx, run, found, by, why)
    if ended is None:
        return None
    if ended["state"] != "succeeded":
        why_below = f"the run {ended['id']} above it is over ({ended['state']})"
        await terminating.stop_below(tx, ended, by, why_below)
    await queue.promote(tx, run["installation_id"], run["repository_id"])
    return ended


async def _agents_in(tx: Tx, row: WorkflowRunRow) -> list[str]:
    """The agents of this run alone. One that works in another run too goes on there."""
    live = await job_sessions.live(tx, row["installation_id"])
    here = [each for each in live if _is_over(row, each)]
    elsewhere = {each.actor for each in live if each not in here}
    own = f"{ACTIONS}{row['id']}"
    return sorted({own, *(each.actor for each in here)} - elsewhere)


def _is_over(row: WorkflowRunRow, session: ActionsSession) -> bool:
    return session.job.run_id == row["id"] and has_ended(row, session.job.run_attempt)


async def follow_job(tx: Tx, row: WorkflowJobRow, _: WorkflowJobRow | None) -> None:
    """A job that runs shows that its run does. After a job's end, the run's end may be lost."""
    run = await runs.of_workflow_run(tx, row["installation_id"], row["run_id"])
    if run is None or run["state"] not in runs.LIVE:
        return
    if row["run_attempt"] != (run["run_attempt"] or 1):
        return
    known = await workflow_runs.workflow_run(tx, row["installation_id"], row["run_id"])
    if known is not None and known["status"] == COMPLETED:
        return
    if row["status"] == IN_PROGRESS:
        locked = await runs.lock(tx, run["installation_id"], run["id"])
        if locked is not None:
            await steps.record(tx, locked, "start", BOT)
    elif row["status"] == COMPLETED:
        due = await tx.now() + AFTER_LAST_JOB
        await runs.change(tx, run, due_at=min(due, run["due_at"] or due))
