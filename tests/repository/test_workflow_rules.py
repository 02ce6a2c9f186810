"""Which jobs of GitHub Actions a repository's settings accept, and as which agent."""

from dataclasses import replace
from typing import Any

import pytest

from bot.errors import Refused
from bot.identity.actions.github_oidc import JobToken
from bot.repository.settings_file import parse
from bot.repository.workflow_rules import AcceptedJob, accept

AGENT = ".github/workflows/agent.yml"
JOB = JobToken(
    id="9b1f",
    issued_at=0,
    expires_at=300,
    repository_id=74,
    repository="acme/rocket",
    owner_id=65,
    run_id=15,
    run_attempt=1,
    workflow_ref=f"acme/rocket/{AGENT}@refs/heads/main",
    ref="refs/heads/main",
    ref_is_protected=False,
    event="workflow_dispatch",
    person="octocat",
)
LISTED = f"actions:\n  workflows:\n    - path: {AGENT}\n"
WHERE = (
    " The settings are in .github/hubbub.yml on the branch main; everybody who may push to it can "
    "change them."
)
START = "acme/rocket does not accept this job of GitHub Actions: "


def at(ref: str, **changed: Any) -> JobToken:
    return replace(JOB, ref=ref, workflow_ref=f"acme/rocket/{AGENT}@{ref}", **changed)


def decide(job: JobToken, settings: str) -> AcceptedJob:
    return accept(job, parse(settings.encode()), "main")


def reason(job: JobToken, settings: str) -> str:
    with pytest.raises(Refused) as refused:
        decide(job, settings)
    assert refused.value.code == "forbidden"
    return refused.value.message.removeprefix(START).removesuffix(WHERE)


def test_a_listed_workflow_is_an_agent_of_its_run() -> None:
    assert decide(JOB, LISTED) == AcceptedJob("actions-15", "developer")
    assert decide(JOB, f"{LISTED}      role: tester") == AcceptedJob("actions-15", "tester")


def test_a_workflow_can_have_one_agent_for_all_its_runs() -> None:
    """Its id begins with the repository's, so that it is no other repository's agent."""
    named = f"{LISTED}      agent: scout"
    assert decide(JOB, named).agent_id == "actions-74-scout"
    assert decide(replace(JOB, run_id=16), named).agent_id == "actions-74-scout"


def test_without_a_list_no_workflow_is_accepted() -> None:
    assert reason(JOB, "") == (
        f"`actions.workflows` does not list {AGENT}. What you can do: add an entry with "
        f"`path: {AGENT}`."
    )


@pytest.mark.parametrize(
    "path", [".github/workflows/other.yml", ".github/workflows/agent.yml.yml", "agent.yml"]
)
def test_another_workflow_is_not_accepted(path: str) -> None:
    job = replace(JOB, workflow_ref=f"acme/rocket/{path}@refs/heads/main")
    assert reason(job, LISTED).startswith(f"`actions.workflows` does not list {path}.")


def test_a_workflow_of_another_repository_is_not_accepted() -> None:
    job = replace(JOB, workflow_ref=f"acme/policy/{AGENT}@refs/heads/main")
    assert reason(job, LISTED) == "its workflow belongs to acme/policy."


def test_only_the_default_branch_is_accepted_unless_refs_are_named() -> None:
    assert reason(at("refs/heads/fix"), LISTED) == (
        f"{AGENT} is allowed at refs/heads/main, and this run is at refs/heads/fix. What you can "
        "do: run it there, or add refs/heads/fix to `refs` of its entry in `actions.workflows`."
    )
    named = f"{LISTED}      refs: [refs/heads/fix, refs/tags/v1]"
    assert decide(at("refs/heads/fix"), named).agent_id == "actions-15"
    assert decide(at("refs/tags/v1"), named).agent_id == "actions-15"
    assert reason(JOB, named).startswith(f"{AGENT} is allowed at refs/heads/fix, refs/tags/v1")


def test_both_the_file_and_the_run_must_be_at_an_accepted_ref() -> None:
    """A tag can have the name of a branch, and a file can come from another ref than the run."""
    assert reason(at("refs/tags/main"), LISTED).startswith(f"{AGENT} is allowed at refs/heads/main")
    for job in (
        replace(JOB, ref="refs/heads/fix"),
        replace(JOB, workflow_ref=f"acme/rocket/{AGENT}@refs/heads/fix"),
        replace(JOB, workflow_ref=f"acme/rocket/{AGENT}"),
    ):
        assert reason(job, LISTED).startswith(f"{AGENT} is allowed at refs/heads/main, and this")


@pytest.mark.parametrize("event", ["pull_request", "pull_request_review"])
def test_a_run_for_a_pull_request_is_never_accepted(event: str) -> None:
    job = at("refs/pull/5/merge", event=event)
    allowing = f"{LISTED}      events: [pull_request, pull_request_review]"
    assert reason(job, allowing) == (
        f"it runs for a pull request (event {event}, refs/pull/5/merge), so a fork may have "
        "written it, and no setting allows that. What you can do: start the workflow at a branch, "
        "for example by workflow_dispatch."
    )
    # The ref alone decides too, whatever the event.
    assert "pull request" in reason(at("refs/pull/5/merge", event="workflow_dispatch"), allowing)
    assert "pull request" in reason(replace(JOB, event=event), allowing)


@pytest.mark.parametrize("event", ["issue_comment", "issues", "pull_request_target"])
def test_an_event_that_strangers_can_cause_must_be_named(event: str) -> None:
    job = replace(JOB, event=event)
    assert reason(job, LISTED) == (
        f"{event} started this run, and {AGENT} is allowed for workflow_dispatch, "
        f"repository_dispatch, schedule, push. What you can do: add {event} to `events` of its "
        "entry in `actions.workflows`."
    )
    assert decide(job, f"{LISTED}      events: [{event}]").role == "developer"


def test_several_entries_of_a_workflow_are_tried_in_order() -> None:
    several = (
        f"{LISTED}      refs: [refs/heads/fix]\n      role: observer\n"
        f"    - path: {AGENT}\n      role: tester\n"
    )
    assert decide(JOB, several).role == "tester"
    assert decide(at("refs/heads/fix"), several).role == "observer"


def test_a_repository_can_accept_protected_refs_only() -> None:
    only = f"{LISTED}  protected_refs_only: true"
    assert reason(JOB, only) == (
        "refs/heads/main is not protected, and `actions.protected_refs_only` is true. What you "
        "can do: protect the branch or tag by a rule of the repository."
    )
    assert decide(replace(JOB, ref_is_protected=True), only).role == "developer"


def test_no_setting_makes_a_job_a_tech_lead() -> None:
    with pytest.raises(Exception, match="must be 'observer', 'tester' or 'developer'"):
        parse(f"{LISTED}      role: tech-lead".encode())
