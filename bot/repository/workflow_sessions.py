"""Ends sessions of jobs: with their run, and when their repository accepts the job no longer."""

from bot.errors import Refused
from bot.identity.actions import job_sessions
from bot.repository import workflow_rules
from bot.repository.repository_settings import RepositorySettings
from store.engine.transaction import Tx
from store.identity import credentials
from store.mirror import stored_repositories
from store.runs import runs
from store.tables.builds import WorkflowRunRow

COMPLETED = "completed"
CANCELLED = "cancelled"


def has_ended(run: WorkflowRunRow | None, attempt: int) -> bool:
    """Whether this attempt of the run has ended, as far as the mirror knows."""
    return run is not None and (run["run_attempt"], run["status"] == COMPLETED) >= (attempt, True)


async def end_with_run(tx: Tx, run: WorkflowRunRow, _: WorkflowRunRow | None) -> None:
    """End the sessions of a run that has completed. What the job queued before is still sent.

    Somebody who cancels a run stops its agent, so what that queued is not sent.
    """
    if run["status"] != COMPLETED:
        return
    for session in await job_sessions.live(tx, run["installation_id"]):
        if session.job.run_id != run["id"] or not has_ended(run, session.job.run_attempt):
            continue
        if run["conclusion"] == CANCELLED:
            await credentials.revoke(tx, session.id)
        else:
            await credentials.end(tx, session.id)


async def end_refused(
    tx: Tx, installation_id: int, repository_id: int, settings: RepositorySettings
) -> None:
    """Revoke the sessions that these settings would not give."""
    here = [
        each
        for each in await job_sessions.live(tx, installation_id)
        if each.job.repository_id == repository_id
    ]
    row = await stored_repositories.repository_by_id(tx, installation_id, repository_id)
    branch = row["default_branch"] if row else ""
    for session in here:
        run = await runs.of_workflow_run(tx, installation_id, session.job.run_id)
        try:
            accepted = workflow_rules.accept(session.job, settings, branch, run)
        except Refused:
            await credentials.revoke(tx, session.id)
            continue
        if (accepted.agent_id, accepted.role) != (session.actor, session.role):
            await credentials.revoke(tx, session.id)
