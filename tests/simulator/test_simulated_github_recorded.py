"""The webhooks of the simulated GitHub beside those that were recorded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fixtures.github import Issue, Pull
from fixtures.github.contract import contract_of
from tests.support.github_client import Acme

# Recorded, and otherwise here.
NOT_SENT = {
    "issues: .changes",  # of a transfer
    "issues: .issue.draft",  # pull requests have it
    "issues: .issue.pull_request",
    "issue_comment: .issue.draft",
    "repository: .changes.owner.from.user",  # here from an organization
    # Nothing is deployed here.
    "check_run: .check_run.check_suite.deployment",
    "check_run: .check_run.deployment",
    "workflow_job: .deployment",
    # Installations told their times in numbers once.
    "installation: .installation.created_at is str, not int",
    "installation: .installation.updated_at is str, not int",
    "installation_repositories: .installation.created_at is str, not int",
    "installation_repositories: .installation.updated_at is str, not int",
}


async def test_payloads_have_what_the_recorded_ones_have(acme: Acme, data: Path) -> None:
    """Each object in a recorded payload of the same event and action is covered by ours."""
    live_a_day(acme)
    missing = set()
    for event in {each.event for each in acme.github.deliveries}:
        file = data / "webhooks" / f"{event}.json"
        for recorded in json.loads(file.read_text()) if file.exists() else ():
            ours = [
                each.payload
                for each in acme.github.deliveries
                if (each.event, each.action) == (event, recorded.get("action"))
            ]
            missing |= {f"{event}: {each}" for each in (lacking(ours[0], recorded) if ours else ())}
    assert missing - NOT_SENT == set()
    sent = {(each.event, each.action) for each in acme.github.deliveries}
    assert sent >= {("issues", "labeled"), ("pull_request", "closed"), ("label", "created")}


# What an object of that name is in GitHub's description, wherever a webhook has it.
COMPONENTS = {
    "actor": "simple-user",
    "assignee": "simple-user",
    "blocked_issue": "issue",
    "blocked_issue_repo": "repository",
    "blocking_issue": "issue",
    "blocking_issue_repo": "repository",
    "head_repository": "minimal-repository",
    "issue": "issue",
    "label": "label",
    "member": "simple-user",
    "milestone": "milestone",
    "new_issue": "issue",
    "new_repository": "repository",
    "old_issue": "issue",
    "old_repository": "repository",
    "parent_issue": "issue",
    "parent_issue_repo": "repository",
    "projects_v2": "projects-v2",
    "pull_request": "pull-request",
    "review": "pull-request-review",
    "requested_reviewer": "simple-user",
    "sender": "simple-user",
    "sub_issue": "issue",
    "sub_issue_repo": "repository",
    "type": "issue-type",
    "workflow_job": "job",
    "workflow_run": "workflow-run",
}


async def test_the_parts_of_payloads_are_as_githubs_description_has_them(
    acme: Acme, data: Path
) -> None:
    """Those too that nobody has recorded, such as sub_issues and projects_v2."""
    contract = contract_of(data / "github-openapi.json.gz")
    live_a_day(acme)
    first = {(each.event, each.action): each for each in acme.github.deliveries}
    wrong = {
        f"{event} {action}: {name}: {problem}"
        for (event, action), delivery in first.items()
        for name, value in parts(delivery.payload)
        for problem in contract.misfits(COMPONENTS[name], value)
    }
    assert wrong == set()
    told = {event for event, _ in first}
    assert told >= {"sub_issues", "issue_dependencies", "projects_v2", "projects_v2_item"}


def parts(it: Any) -> Iterator[tuple[str, Any]]:
    """The objects in a payload that the description has a name for."""
    for name, value in it.items() if isinstance(it, dict) else ():
        if name in COMPONENTS and isinstance(value, dict):
            yield name, value
        elif isinstance(value, dict) and name != "_links":
            yield from parts(value)


def test_every_event_that_the_app_hears_of_happens_in_a_day(acme: Acme) -> None:
    live_a_day(acme)
    told = {each.event for each in acme.github.deliveries}
    assert told - {"installation", "installation_repositories"} == set(acme.github.app.events)


def live_a_day(acme: Acme) -> None:
    """A bit of everything that people do."""
    issue = work_on_an_issue(acme)
    pull = work_on_a_pull(acme, issue)
    set_up_the_repository(acme)
    plan(acme, issue)
    handle(acme, issue, pull)
    build(acme)
    people_come_and_go(acme)
    end_of_the_company(acme)


def work_on_an_issue(acme: Acme) -> Issue:
    ada = acme.ada
    milestone = ada.create_milestone(acme.web, "First")
    issue = ada.open_issue(acme.web, "Hi", "Text", labels=["agent-task"], assignees=["ada"])
    ada.edit_issue(issue, title="Hello")
    ada.set_milestone(issue, milestone)
    ada.set_milestone(issue, None)
    comment = ada.comment(issue, "One")
    ada.edit_comment(comment, "Two")
    ada.delete_comment(comment)
    ada.remove_label(issue, "AGENT-TASK")
    ada.unassign(issue, "ada")
    ada.close(issue)
    ada.reopen(issue)
    return issue


def work_on_a_pull(acme: Acme, issue: Issue) -> Pull:
    ada = acme.ada
    ada.push(acme.web, "fix", {"a.py": "1\n"})
    pull = ada.open_pull(acme.web, title="Fix", head="fix", body=f"Fixes #{issue.number}")
    ada.add_label(pull, "agent-task")
    ada.assign(pull, "ada")
    ada.push(acme.web, "fix", {"a.py": "2\n"})
    acme.github.person("bob")
    ada.request_review(pull, "bob")
    ada.remove_reviewer(pull, "bob")
    ada.convert_to_draft(pull)
    ada.ready_for_review(pull)
    ada.close(pull)
    ada.reopen(pull)
    review = ada.review(pull, "approved", "Fine")
    ada.edit_review(review, "Fine, it seems")
    ada.dismiss_review(review)
    comment = ada.review_comment(pull, "a.py", 1, "Why?")
    ada.edit_review_comment(comment, "Why 2?")
    ada.resolve(ada.reply(comment, "Because"))
    ada.unresolve(comment)
    ada.merge(pull)
    ada.delete_branch(acme.web, "fix")
    return pull


def set_up_the_repository(acme: Acme) -> None:
    ada, milestone = acme.ada, acme.web.milestones[1]
    ada.close_milestone(acme.web, milestone)
    ada.open_milestone(acme.web, milestone)
    ada.edit_milestone(acme.web, milestone, title="Second")
    ada.delete_milestone(acme.web, milestone)
    ada.edit_label(acme.web, acme.web.labels["agent-task"], color="00ff00")
    ada.delete_label(acme.web, acme.web.labels["agent-task"])


def build(acme: Acme) -> None:
    acme.ada.push(acme.web, "topic", {"b.py": "1\n"})
    pull = acme.ada.open_pull(acme.web, title="Topic", head="topic")
    ci = acme.github.ci
    ci.finish_check(ci.start_check(acme.web, pull.head_sha, "lint"))
    run = ci.request_run(acme.web, pull.head_sha)
    ci.finish_run(run, "failure")
    ci.rerun(run)


def plan(acme: Acme, issue: Issue) -> None:
    ada = acme.ada
    project = ada.create_project("acme", "Work")
    ada.rename_project(project, "Plan")
    item = ada.add_to_project(project, issue)
    ada.set_status(item, "Done")
    ada.archive_item(item)
    ada.restore_item(item)
    ada.delete_item(item)
    ada.close_project(project)
    ada.reopen_project(project)
    ada.delete_project(project)


def handle(acme: Acme, issue: Issue, pull: Pull) -> None:
    ada = acme.ada
    for subject in (issue, pull):
        ada.lock(subject, "spam")
        ada.unlock(subject)
    ada.pin(issue)
    ada.unpin(issue)
    before = ada.open_issue(acme.web, "Before that")
    ada.add_sub_issue(issue, before)
    ada.remove_sub_issue(before)
    ada.block(issue, before)
    ada.unblock(issue, before)
    ada.set_type(issue, "Bug")
    ada.set_type(issue, None)
    other = acme.github.repository("acme/b", private=True)
    acme.github.set_permission("acme/b", "ada", "admin")
    acme.github.add_repositories(acme.installation, [other.full_name])
    ada.transfer_issue(issue, other)
    acme.github.remove_repositories(acme.installation, ["acme/b"])


def people_come_and_go(acme: Acme) -> None:
    github = acme.github
    github.add_member("acme", "bob")
    github.set_permission("acme/web", "bob", "read")
    github.set_permission("acme/web", "bob", "write")
    team = github.create_team("acme", "Makers")
    github.set_team_permission(team, "acme/web", "maintain")
    github.set_team_permission(team, "acme/web", "admin")
    github.join_team(team, "bob")
    github.leave_team(team, "bob")
    github.set_team_permission(team, "acme/web", None)
    github.delete_team(team)
    github.set_permission("acme/web", "bob", None)
    github.remove_member("acme", "bob")


def end_of_the_company(acme: Acme) -> None:
    ada, github = acme.ada, acme.github
    ada.rename(acme.web, "site")
    ada.publicize(acme.web)
    ada.privatize(acme.web)
    ada.archive(acme.web)
    ada.unarchive(acme.web)
    github.rename_account("acme", "acme-again")
    github.organization("umbrella")
    umbrella = github.install("umbrella", [])
    umbrella.repository_selection = "all"
    ada.transfer_repository(acme.web, "umbrella")
    ada.delete_repository(acme.web)
    github.suspend(acme.installation)
    github.unsuspend(acme.installation)
    github.uninstall(acme.installation)


def lacking(ours: Any, recorded: Any, at: str = "") -> set[str]:
    """Where ours has no member of that name, or one of another kind."""
    if isinstance(recorded, list) and isinstance(ours, list) and recorded and ours:
        return lacking(ours[0], recorded[0], f"{at}[]")
    if recorded is None or ours is None or at.endswith(".permissions"):
        return set()
    if type(ours) is not type(recorded):
        return {f"{at} is {kind(ours)}, not {kind(recorded)}"}
    if not isinstance(recorded, dict):
        return set()
    found = {f"{at}.{name}" for name in recorded.keys() - ours.keys()}
    for name in recorded.keys() & ours.keys():
        found |= lacking(ours[name], recorded[name], f"{at}.{name}")
    return found


def kind(it: object) -> str:
    return type(it).__name__
