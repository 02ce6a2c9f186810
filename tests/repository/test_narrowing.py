"""A repository allows less than the permission table: for each operation, on every way in."""

from dataclasses import replace
from typing import Any

import pytest

from bot.errors import Refused
from bot.identity.actors import ROLE_OF_PERMISSION, ROLES, Actor
from bot.identity.permissions import RULES, is_for_people, lowest_role
from bot.inbox.command_finder import VERBS
from bot.operations import OPERATIONS
from bot.repository.repository_settings import DEFAULTS, NOBODY, Agents
from store.mirror import permissions
from store.tables.agents import Role
from tests.repository.test_repository_settings import push
from tests.support.database_content import changed_tables, content
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

R, T = {"repository": "acme/rocket"}, {"task": "acme/rocket#1"}
SHA = "0" * 40
FILES = {"files": [{"path": "a.py", "content": "x = 1\n"}], "message": "Begin"}
# Each operation with arguments that name a task or the repository.
CALLS: dict[str, dict[str, Any]] = {
    "spawn_agent": {**R, "template": "fixer"},
    "update_agent": {**T, "checkpoint": {"at": 1}},
    "create_task": {**R, "title": "New"},
    "create_tasks": {**R, "tasks": [{"id": "a", "title": "New"}]},
    "start_workflow": {**R, "name": "feature"},
    "cancel_workflow": {"workflow": T["task"]},
    "retry_workflow": {"workflow": T["task"]},
    "assign_task": {**T, "agent_id": "other"},
    "change_task": {**T, "priority": "high"},
    "claim_task": T,
    "release_task": T,
    "update_task_status": {**T, "status": "in_progress", "fence": 1},
    "propose_plan": {**T, "fence": 1, "steps": [{"id": "a", "title": "New", "body": "Hm"}]},
    "approve_task": T,
    "send_message": {**T, "to": "other", "body": "Hm"},
    "consult_agents": {**T, "question": "Hm?", "agents": ["other"]},
    "create_context": {**T, "name": "Plan", "content": "Hm"},
    "snapshot_contexts": {**T, "name": "Before"},
    "github_create_issue": {**R, "title": "New"},
    "github_update_issue": {"issue": T["task"], "title": "New"},
    "github_comment_issue": {"issue": T["task"], "body": "Hm"},
    "github_create_pr": {**R, "head": "fix", "title": "New"},
    "github_update_pr": {"pull_request": "acme/rocket#2", "title": "New"},
    "github_review_pr": {"pull_request": "acme/rocket#2", "body": "Hm"},
    "github_commit_files": {**R, **FILES, "branch": "fix"},
    "github_move_card": {"issue": T["task"], "status": "Done"},
    "github_report_check": {**R, "sha": SHA, "name": "lint"},
    "github_run_workflow": {**R, "workflow": "agent.yml"},
    "github_cancel_workflow": {**R, "run_id": 1},
}
# Arguments that name a task, a workflow or a repository. A cancellation only takes back what waits,
# and what a model has cost should be known.
PLACES = {"task", "workflow", "issue", "pull_request", "repository"}
ALWAYS_ALLOWED = {"cancel_write", "report_usage"}


def test_every_operation_that_changes_something_of_a_task_or_in_a_repository_can_be_narrowed() -> (
    None
):
    named = {
        each.name
        for each in OPERATIONS.values()
        if not each.reads_only and PLACES & each.arguments.model_fields.keys()
    }
    named -= {each for each in OPERATIONS if is_for_people(each)}
    assert named - ALWAYS_ALLOWED == {name for name, rule in RULES.items() if rule.narrows}
    assert CALLS.keys() == Agents.model_fields.keys()


async def tenant(workspace: Workspace, role: Role) -> Agent:
    """An agent with a task in a repository; another agent."""
    await workspace.task()
    await workspace.agent("other")
    return await workspace.agent("me", role)


@ON_SQLITE
@pytest.mark.parametrize("operation", CALLS)
async def test_an_operation_that_a_repository_forbids_is_refused_and_changes_nothing(
    workspace: Workspace, operation: str
) -> None:
    await push(workspace, f"agents:\n  {operation}: {NOBODY}")
    lead = await tenant(workspace, "tech-lead")
    before = await content(workspace)
    refused = await lead.refusal(operation, **CALLS[operation])
    assert (refused.code, refused.details["needs"]) == ("forbidden", None)
    assert refused.message.startswith(f"acme/rocket allows no agent to call {operation}. Ask a ")
    assert changed_tables(before, await content(workspace)) == {}


@ON_SQLITE
@pytest.mark.parametrize("operation", [each for each in CALLS if lowest_role(each) != "tech-lead"])
async def test_an_operation_for_which_a_repository_raises_the_role_needs_that_role(
    workspace: Workspace, operation: str
) -> None:
    await push(workspace, f"agents:\n  {operation}: tech-lead")
    me = await tenant(workspace, "developer")
    await workspace.agent("boss", "tech-lead")
    before = await content(workspace)
    refused = await me.refusal(operation, **CALLS[operation])
    assert (refused.code, refused.details["needs"]) == ("forbidden", "tech-lead")
    assert f"In acme/rocket {operation} needs the role tech-lead" in refused.message
    assert "Tech-leads: boss." in refused.message
    assert changed_tables(before, await content(workspace)) == {}
    lead = await workspace.agent("lead", "tech-lead")
    assert await code_of(lead, operation, CALLS[operation]) != "forbidden"


async def code_of(agent: Agent, operation: str, given: dict[str, Any]) -> str | None:
    try:
        await agent.call(operation, **given)
    except Refused as exc:
        return exc.code
    return None


async def test_a_repository_in_which_an_agent_may_not_claim_gives_it_no_task(
    workspace: Workspace,
) -> None:
    await push(workspace, "agents:\n  claim_task: tech-lead")
    me, name = await workspace.agent("me"), workspace.name(await workspace.task())
    lead = await workspace.agent("lead", "tech-lead")
    assert (await me.refusal("claim_task")).code == "nothing_ready"
    assert (await me.call("list_tasks", state="ready"))["tasks"] == []
    explained = await me.call("explain_task", task=name)
    assert (explained["claimable"], explained["reasons"][0]["code"]) == (False, "forbidden")
    refused = await lead.refusal("assign_task", task=name, agent_id="me")
    assert (refused.code, "needs the role tech-lead" in refused.message) == ("not_claimable", True)
    assert (await lead.call("claim_task"))["task"]["task"] == name


async def test_other_repositories_stay_open(workspace: Workspace) -> None:
    await push(workspace, "agents:\n  github_create_issue: nobody")
    workspace.github.repository("acme/probe", private=True)
    workspace.github.add_repositories(workspace.installation, ["acme/probe"])
    await workspace.settle()
    me = await workspace.agent("me")
    assert (await me.refusal("github_create_issue", **R, title="New")).code == "forbidden"
    await me.call("github_create_issue", repository="acme/probe", title="New")
    await push(workspace, None)
    await me.call("github_create_issue", **R, title="New")


# --- People --------------------------------------------------------------------------------------

TO_CHANGE = [verb for verb, (operation, _) in VERBS.items() if not operation.reads_only]
# What stands behind each command, and the same as a call.
WORDS = {
    "invite": " newcomer",
    "ask": " Hm?",
    "assign": " other",
    "priority": " high",
    "block": " #2",
    "unblock": " #2",
    "run": " feature",
}


@ON_SQLITE
@pytest.mark.parametrize("verb", TO_CHANGE)
async def test_a_command_that_a_repository_keeps_for_administrators_is_refused_to_others(
    workspace: Workspace, verb: str
) -> None:
    await push(workspace, f"permissions:\n  {verb}: admin")
    helper = workspace.github.person("helper", permissions={"acme/rocket": "maintain"})
    await tenant(workspace, "developer")
    issue = workspace.repository.issues[1]
    tasks = (await content(workspace))["tasks"]
    helper.comment(issue, f"/{verb}{WORDS.get(verb, '')}")
    await workspace.settle()
    assert "you need the permission admin on this repository" in issue.comments[-1].body
    assert (await content(workspace))["tasks"] == tasks


# Without a failing check there is nothing to override: tests/pulls/test_checks.py.
@ON_SQLITE
@pytest.mark.parametrize("verb", [each for each in TO_CHANGE if each != "override"])
async def test_a_person_who_calls_the_operation_of_a_command_needs_the_same_permission(
    workspace: Workspace, verb: str
) -> None:
    await push(workspace, f"permissions:\n  {verb}: maintain")
    await tenant(workspace, "developer")
    operation, slash = VERBS[verb]
    calls = CALLS | {"invite_agent": {"repositories": ["acme/rocket"]}}
    given = {**calls[operation.name], "priority": None} | {**slash.given}
    given |= dict(zip(slash.arguments[:1], [WORDS.get(verb, "").strip() or None], strict=False))
    given = {name: value for name, value in given.items() if value is not None}
    before = await content(workspace)
    least = ROLE_OF_PERMISSION[DEFAULTS.permissions.permission_for(verb)]
    refused = await person(workspace, least).refusal(operation.name, **given)
    assert (refused.code, refused.details["needs"]) == ("forbidden", "tech-lead")
    assert f"needs the permission maintain (`permissions.{verb}`" in refused.message
    assert "Somebody who administers the repository can give you" in refused.message
    assert changed_tables(before, await content(workspace)) == {}
    assert await code_of(person(workspace, "tech-lead"), operation.name, given) != "forbidden"


async def test_what_a_repository_keeps_for_administrators_a_maintainer_cannot_call_either(
    workspace: Workspace,
) -> None:
    await push(workspace, "permissions:\n  hold: admin")
    await tenant(workspace, "developer")
    here, where = workspace.installation.id, workspace.repository.id
    actor = replace(person(workspace, "tech-lead").actor, person_id=42)
    helper = Agent(workspace.dispatcher, actor)
    for permission in (None, "maintain"):
        if permission:
            await workspace.store.write(
                lambda tx: permissions.put(tx, here, where, "helper", "maintain", 42)
            )
        before = await content(workspace)
        refused = await helper.refusal("change_task", **T, hold=True)
        assert "needs the permission admin (`permissions.hold`" in refused.message
        assert changed_tables(before, await content(workspace)) == {}
    await helper.call("change_task", **T, priority="high")
    await workspace.store.write(lambda tx: permissions.put(tx, here, where, "helper", "admin", 42))
    await helper.call("change_task", **T, hold=True)


def person(workspace: Workspace, role: Role, elsewhere: Role | None = None) -> Agent:
    """A person who has logged in."""
    roles = {workspace.repository.id: role}
    if elsewhere is not None:
        roles[workspace.repository.id + 1] = elsewhere
    highest = max(roles.values(), key=ROLES.index)
    i = workspace.installation.id
    return Agent(workspace.dispatcher, Actor(i, "@helper", highest, frozenset(roles), roles=roles))


@ON_SQLITE
@pytest.mark.parametrize("role", ROLES[:-1])
async def test_a_person_has_in_each_repository_the_role_of_their_permission_there(
    workspace: Workspace, role: Role
) -> None:
    await workspace.task()
    helper = person(workspace, role, elsewhere="tech-lead")
    if role == "developer":
        await helper.call("change_task", **T, priority="high")
        return
    refused = await helper.refusal("change_task", **T, priority="high")
    assert (refused.code, refused.details["needs"]) == ("forbidden", "developer")
    assert f"This needs the role developer in acme/rocket, and @helper has {role} there" in (
        refused.message
    )
