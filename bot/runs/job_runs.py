"""Which agent run a job of GitHub Actions belongs to, by what the job's token says."""

from bot.comments import authorship
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
    if run is None:
        return None
    # A later attempt follows the end of the bound one, of which Hubbub may not know yet.
    is_later = job.run_attempt > (run["run_attempt"] or 1)
    if is_later or run["state"] not in runs.NOT_ENDED:
        how = "its workflow was started again" if is_later else run["state"]
        raise Refused(
            "unauthenticated",
            f"The agent run {run['id']} has ended ({how}), so its jobs are not accepted, "
            f"also if the workflow runs again. Start a new run of {run['template']}.",
        )
    if not await _is_started_by_us(tx, job):
        raise Refused(
            "unauthenticated",
            f"{job.person} started run {job.run_id} of {job.repository}, so its jobs are not those "
            f"of the agent run {run['id']}, which Hubbub starts itself.",
        )
    return run


async def _is_started_by_us(tx: Tx, job: JobToken) -> bool:
    """Whether our own dispatch started the job's run. Everybody may read the id of a run."""
    bot = await authorship.bot_id(tx)
    return authorship.is_ours(job.person, job.person_id, bot if job.person_id else None)


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
    ours = await _is_started_by_us(tx, job)
    if ours and named is not None and workflow_rules.is_of_run(job, named):
        bound = await binding.bind(tx, run_id, installation_id, job.run_id, job.run_attempt)
    if bound is None:
        raise Refused(
            "unauthenticated",
            f"Run {job.run_id} of {job.repository} is not the agent run {run_id[:80]!r}: "
            "Hubbub must have started it, with the same repository, workflow file and branch, and "
            "no agent run has two workflow runs. "
            "Leave `hubbub_run` out unless Hubbub passed it.",
        )
    return bound
