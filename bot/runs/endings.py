"""Ends the work of agents whose run in GitHub Actions has ended, as soon as GitHub says so."""

from bot.identity.actions import job_sessions
from bot.identity.actions.job_sessions import ActionsSession
from bot.identity.actors import ACTIONS
from bot.repository.workflow_sessions import COMPLETED, has_ended
from bot.runs import ended_work
from store.engine.transaction import Tx
from store.tables.builds import WorkflowRunRow


async def apply_end(tx: Tx, row: WorkflowRunRow, _: WorkflowRunRow | None) -> None:
    """End the leases of the agents that worked in a run that has completed."""
    if row["status"] != COMPLETED:
        return
    end = ended_work.end_of(row["conclusion"])
    for agent_id in await _agents_in(tx, row):
        await ended_work.release(tx, row["installation_id"], agent_id, end)


async def _agents_in(tx: Tx, row: WorkflowRunRow) -> list[str]:
    """The agents of this run alone. One that works in another run too goes on there."""
    live = await job_sessions.live(tx, row["installation_id"])
    here = [each for each in live if _is_over(row, each)]
    elsewhere = {each.actor for each in live if each not in here}
    own = f"{ACTIONS}{row['id']}"
    return sorted({own, *(each.actor for each in here)} - elsewhere)


def _is_over(row: WorkflowRunRow, session: ActionsSession) -> bool:
    return session.job.run_id == row["id"] and has_ended(row, session.job.run_attempt)
