"""Which agent run a job of GitHub Actions belongs to, by what the job's token says."""

from bot.errors import Refused
from bot.identity.actions.github_oidc import JobToken
from bot.identity.actors import BOT
from bot.repository import workflow_rules
from bot.runs import binding, steps
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.runs import runs
from store.tables.runs import AgentRunRow


async def of_job(tx: Tx, installation_id: int, job: JobToken) -> AgentRunRow | None:
    """The agent run that is bound to the job's run. Raise Refused if it has ended."""
    run = await runs.of_workflow_run(tx, installation_id, job.run_id)
    if run is not None and run["state"] not in runs.NOT_ENDED:
        raise Refused(
            "unauthenticated",
            f"The agent run {run['id']} has ended ({run['state']}), so its jobs are not accepted, "
            "also if the workflow runs again. Start a new run, for example with `/assign "
            f"{run['template']}`.",
        )
    return run


async def begin(tx: Tx, job: JobToken, run_id: str) -> None:
    """Note that the job's run works. Bind it first to the agent run that the job names.

    GitHub's answer that binds them may still be under way. Raise Refused.
    """
    found = await stored_repositories.installed_repository(tx, job.repository_id, job.owner_id)
    if found is None:
        return
    i = found["installation_id"]
    run = await runs.of_workflow_run(tx, i, job.run_id)
    if run is None and run_id:
        run = await _bind(tx, i, job, run_id)
    if run is not None and (locked := await runs.lock(tx, i, run["id"])):
        await steps.record(tx, locked, "start", BOT)


async def _bind(tx: Tx, installation_id: int, job: JobToken, run_id: str) -> AgentRunRow:
    named = await runs.get(tx, installation_id, run_id)
    bound = None
    if named is not None and workflow_rules.is_of_run(job, named):
        bound = await binding.bind(tx, run_id, installation_id, job.run_id, job.run_attempt)
    if bound is None:
        raise Refused(
            "unauthenticated",
            f"Run {job.run_id} of {job.repository} is not the agent run {run_id[:80]!r}: it needs "
            "the same repository, workflow file and branch, and no agent run has two workflow "
            "runs. "
            "Leave `hubbub_run` out unless Hubbub passed it.",
        )
    return bound
