"""What changed on GitHub without a webhook that came: the next look brings it in."""

import pytest

from bot.mirror import reads
from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

pytestmark = ON_SQLITE


@pytest.fixture
async def unheard(workspace: Workspace) -> tuple[Workspace, Issue]:
    """A claimed task, and nothing that happens from now on is heard."""
    elsewhere = workspace.github.repository("acme/lander", private=True)
    workspace.github.set_permission("acme/lander", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, [elsewhere.full_name])
    issue = await workspace.task()
    agent = await workspace.agent("ada")
    await agent.call("claim_task", task=workspace.name(issue))
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    return workspace, issue


async def test_an_issue_that_was_transferred_unheard_takes_its_task_along(
    unheard: tuple[Workspace, Issue],
) -> None:
    workspace, issue = unheard
    (lander,) = (each for each in workspace.installation.repositories if each.name == "lander")
    moved = workspace.person.transfer_issue(issue, lander)
    await workspace.read(reads.thread("issue", workspace.repository.id, issue.number))
    agent = await workspace.agent("ada")
    (task,) = (await agent.call("list_tasks", state="any", detail="full"))["tasks"]
    assert (task["task"], task["holder"]) == (f"acme/lander#{moved.number}", "ada")


async def test_an_issue_that_was_transferred_out_of_reach_unheard_ends_its_task(
    unheard: tuple[Workspace, Issue],
) -> None:
    workspace, issue = unheard
    hidden = workspace.github.repository("acme/hidden", private=True)
    workspace.github.set_permission("acme/hidden", "octocat", "admin")
    workspace.person.transfer_issue(issue, hidden)
    await workspace.read(reads.thread("issue", workspace.repository.id, issue.number))
    agent = await workspace.agent("ada")
    (task,) = (await agent.call("list_tasks", state="any"))["tasks"]
    assert task["state"] == "cancelled"


async def test_a_label_that_was_deleted_unheard_leaves_its_issues(
    unheard: tuple[Workspace, Issue],
) -> None:
    workspace, issue = unheard
    label = workspace.repository.labels["agent-task"]
    workspace.person.delete_label(workspace.repository, label)
    await workspace.read(reads.repository("labels", workspace.repository.id))
    assert await workspace.mirror_content("labels") == []
    (row,) = await workspace.rows("SELECT labels FROM issues WHERE installation_id = :i")
    assert (row["labels"], issue.labels) == ("[]", [])


async def test_a_milestone_that_was_deleted_unheard_leaves_its_issues(
    workspace: Workspace,
) -> None:
    milestone = workspace.person.create_milestone(workspace.repository, "1.0")
    issue = await workspace.task()
    workspace.person.set_milestone(issue, milestone)
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    workspace.person.delete_milestone(workspace.repository, milestone)
    await workspace.read(reads.repository("milestones", workspace.repository.id))
    assert await workspace.mirror_content("milestones") == []
    (row,) = await workspace.rows("SELECT milestone FROM issues WHERE installation_id = :i")
    assert row == {"milestone": None}


async def test_relations_that_were_removed_unheard_are_gone(
    unheard: tuple[Workspace, Issue],
) -> None:
    workspace, issue = unheard
    workspace.github.lose_deliveries(0)
    blocker = await workspace.task("First")
    workspace.person.block(issue, blocker)
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    workspace.person.unblock(issue, blocker)
    here = ("blocked_by", workspace.repository.id, issue.number, issue.id)
    await workspace.read(reads.relations(*here))
    agent = await workspace.agent("ada")
    assert (await agent.call("explain_task", task=workspace.name(issue)))["blocked_by"] == []
