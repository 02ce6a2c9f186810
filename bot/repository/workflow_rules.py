"""Whether a repository's settings accept a job of GitHub Actions, and as which agent. Pure."""

from dataclasses import dataclass

from bot.errors import Refused
from bot.identity.actions.github_oidc import JobToken
from bot.identity.actors import ACTIONS
from bot.repository.repository_settings import RepositorySettings, Workflow
from bot.repository.run_settings import RUN_INPUT
from bot.repository.settings_file import PATH
from store.tables.agents import Role
from store.tables.runs import AgentRunRow

# GitHub names each of these for a pull request, whose author may have written the workflow.
PULL_REQUESTS = ("pull_request", "pull_request_review", "pull_request_review_comment")
PULL_REF = "refs/pull/"
# The event of runs that Hubbub starts.
DISPATCH = "workflow_dispatch"


@dataclass(frozen=True)
class AcceptedJob:
    agent_id: str
    role: Role


@dataclass(frozen=True)
class WorkflowFile:
    """The file that a run was started from, as its token names it."""

    repository: str
    path: str
    ref: str


def workflow_file(job: JobToken) -> WorkflowFile:
    """From `owner/repo/.github/workflows/agent.yml@refs/heads/main`."""
    place, _, ref = job.workflow_ref.partition("@")
    owner, _, rest = place.partition("/")
    name, _, path = rest.partition("/")
    return WorkflowFile(f"{owner}/{name}", path, ref)


def accept(
    job: JobToken, settings: RepositorySettings, default_branch: str, run: AgentRunRow | None = None
) -> AcceptedJob:
    """The agent of the job. Raise Refused `forbidden`, which names the setting.

    `run`: the agent run that is bound to the job's run.
    """
    file = workflow_file(job)
    # A ruleset of an organization can run the workflow of another repository.
    if file.repository.casefold() != job.repository.casefold():
        raise _refusal(job, default_branch, f"its workflow belongs to {file.repository}", "")
    if run is not None:
        return _accept_run(job, settings, default_branch, run)
    listed = [each for each in settings.actions.workflows if each.path == file.path]
    if not listed:
        raise _refusal(
            job,
            default_branch,
            f"`actions.workflows` does not list {file.path}{_unless_started(settings, file)}",
            f"add an entry with `path: {file.path}`",
        )
    _check_origin(job, file, default_branch)
    problems = [_problem(job, file, each, default_branch) for each in listed]
    if all(problems):
        raise _refusal(job, default_branch, *next(each for each in problems if each))
    found = listed[problems.index(None)]
    _check_protection(job, settings, default_branch)
    return AcceptedJob(_agent_id(job, found), found.role)


def _check_protection(job: JobToken, settings: RepositorySettings, default_branch: str) -> None:
    if settings.actions.protected_refs_only and not job.ref_is_protected:
        raise _refusal(
            job,
            default_branch,
            f"{job.ref} is not protected, and `actions.protected_refs_only` is true",
            "protect the branch or tag by a rule of the repository",
        )


def _unless_started(settings: RepositorySettings, file: WorkflowFile) -> str:
    """What else a refusal says about a workflow that a template has."""
    if not any(path_of(each.workflow) == file.path for each in settings.templates.values()):
        return ""
    return (
        ", and Hubbub does not know this run as one that it started (the job can pass "
        f"`{RUN_INPUT}` to POST /oauth/token)"
    )


def _accept_run(
    job: JobToken, settings: RepositorySettings, default_branch: str, run: AgentRunRow
) -> AcceptedJob:
    """The agent of a run that Hubbub started. Its template allows its workflow."""
    template = settings.templates.get(run["template"])
    if template is None:
        raise _refusal(
            job,
            default_branch,
            f"`templates` has no {run['template']} any more, from which this run was started",
            f"add the template {run['template']} again",
        )
    if not is_of_run(job, run):
        raise _refusal(
            job, default_branch, f"this is not the run that Hubbub started as {run['id']}", ""
        )
    _check_protection(job, settings, default_branch)
    return AcceptedJob(run["agent_id"], template.role)


def is_of_run(job: JobToken, run: AgentRunRow) -> bool:
    """Whether the job can be one of the workflow that Hubbub started for this run."""
    file = workflow_file(job)
    refs = {run["ref"], f"refs/heads/{run['ref']}", f"refs/tags/{run['ref']}"}
    return (
        job.event == DISPATCH
        and job.repository_id == run["repository_id"]
        and file.path == path_of(run["workflow"])
        and {job.ref, file.ref} <= refs
    )


def path_of(workflow: str) -> str:
    """The path of a file in .github/workflows."""
    return f".github/workflows/{workflow}"


def _check_origin(job: JobToken, file: WorkflowFile, default_branch: str) -> None:
    of_pull = PULL_REF in (job.ref[: len(PULL_REF)], file.ref[: len(PULL_REF)])
    if of_pull or job.event in PULL_REQUESTS:
        raise _refusal(
            job,
            default_branch,
            f"it runs for a pull request (event {job.event}, {job.ref}), so a fork may have "
            "written it, and no setting allows that",
            "start the workflow at a branch, for example by workflow_dispatch",
        )


def _problem(
    job: JobToken, file: WorkflowFile, listed: Workflow, default_branch: str
) -> tuple[str, str] | None:
    """What the entry does not allow, and what to change."""
    refs = listed.refs or [f"refs/heads/{default_branch}"]
    for ref in (job.ref, file.ref):
        if ref not in refs:
            allowed = ", ".join(refs)
            return (
                f"{file.path} is allowed at {allowed}, and this run is at {ref}",
                f"run it there, or add {ref} to `refs` of its entry in `actions.workflows`",
            )
    if job.event not in listed.events:
        return (
            f"{job.event} started this run, and {file.path} is allowed for "
            + ", ".join(listed.events),
            f"add {job.event} to `events` of its entry in `actions.workflows`",
        )
    return None


def _refusal(job: JobToken, default_branch: str, why: str, remedy: str) -> Refused:
    message = f"{job.repository} does not accept this job of GitHub Actions: {why}."
    if remedy:
        message += (
            f" What you can do: {remedy}. The settings are in {PATH} on the branch "
            f"{default_branch}; everybody who may push to it can change them."
        )
    return Refused("forbidden", message)


def _agent_id(job: JobToken, listed: Workflow) -> str:
    """Always with a prefix of the repository or run: no other agent can have the same id."""
    if listed.agent is None:
        return f"{ACTIONS}{job.run_id}"
    return f"{ACTIONS}{job.repository_id}-{listed.agent}"
