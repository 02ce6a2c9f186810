"""A confused agent changes nothing of the task that another agent holds."""

from typing import Any

import pytest

from fixtures.github import Issue
from fixtures.github.traffic_log import pack
from tests.outbox.test_writes import send
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

R = {"repository": "acme/rocket"}
FILE = {"files": [{"path": "a.py", "content": "x = 1\n"}], "message": "Begin"}


async def claim(workspace: Workspace, agent: Agent, issue: Issue) -> dict[str, Any]:
    """Claim it. Return the arguments of a fenced call."""
    task = workspace.name(issue)
    return {"task": task, "fence": (await agent.call("claim_task", task=task))["fence"]}


async def open_pull(workspace: Workspace, agent: Agent, mine: dict[str, Any], head: str) -> str:
    await send(agent, workspace, "github_commit_files", **mine, **FILE, branch=head)
    made = await send(agent, workspace, "github_create_pr", **mine, head=head, title="Fix")
    return f"acme/rocket#{made['number']}"


async def test_only_the_holder_changes_the_branch_the_pull_request_and_the_issue(
    workspace: Workspace,
) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    other, lead = await workspace.agent("other"), await workspace.agent("lead", "tech-lead")
    mine = await claim(workspace, scout, issue)
    pull = await open_pull(workspace, scout, mine, "fix")
    theirs = await claim(workspace, other, await workspace.task("Another"))
    for operation, given in (
        ("github_commit_files", {**R, **FILE, "branch": "fix"}),
        ("github_commit_files", {**theirs, **FILE, "branch": "fix"}),
        ("github_create_pr", {**R, "head": "fix", "base": "other", "title": "Mine"}),
        ("github_update_issue", {"issue": mine["task"], "title": "Mine"}),
        ("github_update_pr", {"pull_request": pull, "title": "Mine"}),
        ("github_move_card", {"issue": mine["task"], "status": "Done"}),
        ("github_move_card", {"issue": pull, "status": "Done"}),
    ):
        refused = await other.refusal(operation, **given)
        assert (refused.code, refused.details["holder"]) == ("not_holder", "scout"), operation
    await other.call("github_comment_issue", issue=pull, body="I have an idea.")
    await other.call("github_review_pr", pull_request=pull, body="I looked.")
    await lead.call("github_update_pr", pull_request=pull, title="Fix it")
    await lead.call("github_commit_files", **R, **FILE, branch="fix")


@ON_SQLITE
async def test_the_holder_need_not_name_its_task_and_loses_the_write_with_the_lease(
    workspace: Workspace,
) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    mine = await claim(workspace, scout, issue)
    await open_pull(workspace, scout, mine, "fix")
    queued = await scout.write("github_commit_files", **R, **FILE, branch="fix")
    await lead.call("release_task", task=mine["task"])
    await workspace.settle()
    assert (await scout.write("get_write", write_id=queued["write_id"]))["state"] == "cancelled"


@ON_SQLITE
async def test_the_branch_of_a_free_task_needs_a_claim_first(workspace: Workspace) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    mine = await claim(workspace, scout, issue)
    await open_pull(workspace, scout, mine, "fix")
    await scout.call("release_task", **mine)
    refused = await scout.refusal("github_commit_files", **R, **FILE, branch="fix")
    assert refused.message == (
        "fix is the branch of acme/rocket#1, and nobody holds it. Call claim_task first, or choose "
        "another branch. Nothing was changed."
    )
    await claim(workspace, scout, issue)
    await scout.call("github_commit_files", **R, **FILE, branch="fix")


async def test_a_second_pull_request_of_a_task_is_refused_or_replaces_the_first(
    workspace: Workspace,
) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    mine = await claim(workspace, scout, issue)
    pull = await open_pull(workspace, scout, mine, "fix")
    await scout.call("update_task_status", **mine, status="in_review")
    other = {**mine, "head": "better", "title": "Better"}
    refused = await scout.refusal("github_create_pr", **other)
    assert (refused.code, refused.details) == (
        "pull_request_exists",
        {"pull_request": int(pull.rpartition("#")[2]), "head": "fix"},
    )
    # The same branch has the same pull request.
    again = await send(scout, workspace, "github_create_pr", **mine, head="fix", title="Fix")
    assert pull.endswith(f"#{again['number']}")
    refused = await scout.refusal("github_create_pr", **other, replace=True)
    assert "The branch better does not exist" in refused.message
    await send(scout, workspace, "github_commit_files", **mine, **FILE, branch="better")
    # The first one stays open if GitHub does not open the second.
    workspace.github.lose_deliveries(1)
    workspace.person.delete_branch(workspace.repository, "better")
    kinds = await replace_pull(workspace, scout, other)
    assert kinds == {"pull": "refused", "comment": "refused", "pull_update": "refused"}
    assert [each.issue.state for each in workspace.repository.pulls.values()] == ["open"]
    workspace.person.push(workspace.repository, "better", {"b.py": "1\n"}, base="main")
    await workspace.settle()
    kinds = await replace_pull(workspace, scout, other)
    assert kinds == {"pull": "sent", "comment": "sent", "pull_update": "sent"}
    first, second = workspace.repository.pulls.values()
    assert (first.issue.state, second.issue.state) == ("closed", "open")
    assert (first.issue.comments[-1].body or "").endswith(
        "Replaced by a pull request from `better`."
    )
    task = (await scout.call("get_task", task=mine["task"]))["task"]
    assert (task["state"], task["pull_request"]) == ("in_review", second.issue.number)


async def replace_pull(workspace: Workspace, agent: Agent, given: dict[str, Any]) -> dict[str, str]:
    """What became of each of the writes."""
    queued = (await agent.call("github_create_pr", **given, replace=True))["writes"]
    await workspace.settle()
    ended = [await agent.write("get_write", write_id=each["write_id"]) for each in queued]
    return {each["kind"]: each["state"] for each in ended}


@ON_SQLITE
async def test_a_pull_request_that_is_queued_counts_too(workspace: Workspace) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    mine = await claim(workspace, scout, issue)
    queued = await scout.write("github_create_pr", **mine, head="fix", title="Fix")
    refused = await scout.refusal(
        "github_create_pr", **mine, head="better", title="Better", replace=True
    )
    assert refused.code == "pull_request_exists"
    assert refused.details["write_id"] == queued["write_id"]
    await scout.call("cancel_write", write_id=queued["write_id"])
    await scout.call("github_create_pr", **mine, head="better", title="Better")


@ON_SQLITE
@pytest.mark.parametrize("note", [None, " "])
async def test_in_review_needs_a_pull_request_or_a_reason(
    workspace: Workspace, note: str | None
) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    report = {**await claim(workspace, scout, issue), "status": "in_review"}
    refused = await scout.refusal("update_task_status", **report, note=note)
    assert refused.code == "no_pull_request"
    await scout.call("update_task_status", **report, note="The plan is in the issue.")


@ON_SQLITE
async def test_a_branch_of_a_fork_is_not_the_branch_of_the_same_name(workspace: Workspace) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    other = await workspace.agent("other")
    mine = await claim(workspace, scout, issue)
    await send(scout, workspace, "github_commit_files", **mine, **FILE, branch="patch-1")
    workspace.github.hold_deliveries()
    pull = workspace.person.open_pull(workspace.repository, "Fix", head="patch-1")
    (opened,) = [each for each in workspace.github.held_deliveries if each.action == "opened"]
    shown = opened.payload
    fork = {"sha": "f" * 40, "user": {"login": "dave"}, "repo": None}
    shown["pull_request"]["head"] |= fork
    opened.packed = pack(shown)
    workspace.github.release_deliveries()
    await workspace.settle()
    name = f"acme/rocket#{pull.number}"
    thread = await other.call("github_get_thread", task=name)
    assert (thread["pull"]["head"], thread["pull"]["head_sha"]) == ("dave:patch-1", "f" * 40)
    stale = {"pull_request": name, "event": "APPROVE", "sha": pull.head_sha}
    assert (await scout.refusal("github_review_pr", **stale)).code == "stale_head"
    await scout.call("github_review_pr", **stale | {"sha": "f" * 40})
    await other.call("github_update_pr", pull_request=name, title="Fix it")
