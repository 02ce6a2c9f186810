"""A task may be named by its pull request.

On SQLite only, because the engine plays no part: the queries are those of other tests.
"""

import pytest

from fixtures.github import Pull
from tests.support.story import Agent, Workspace


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """The engine plays no part."""
    return sqlite_url


async def open_pull(workspace: Workspace, body: str) -> str:
    branch = f"branch-{len(workspace.repository.pulls)}-x"
    workspace.person.push(workspace.repository, branch, {"a.py": "1\n"}, base="main")
    pull = workspace.person.open_pull(workspace.repository, title="T", head=branch, body=body)
    await workspace.settle()
    return f"acme/rocket#{pull.number}"


async def held(workspace: Workspace) -> tuple[Agent, dict[str, object], Pull, int]:
    """A holder with its task and fence, the pull request of the task, and the task's issue."""
    agent, issue = await workspace.agent("scout"), await workspace.task()
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    mine = {"task": workspace.name(issue), "fence": fence}
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.call("github_create_pr", **mine, head="fix", title="Mend")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    return agent, mine, pull, issue.number


async def test_a_pull_request_stands_for_the_task_that_it_belongs_to(workspace: Workspace) -> None:
    agent, mine, pull, number = await held(workspace)
    name = f"acme/rocket#{pull.number}"
    assert (await agent.call("get_task", task=name))["task"]["number"] == number
    await agent.call("update_task_status", task=name, fence=mine["fence"], status="in_review")
    assert (await agent.call("get_task", task=name))["task"]["state"] == "in_review"


async def test_a_comment_with_a_fence_goes_to_the_pull_request_that_it_names(
    workspace: Workspace,
) -> None:
    agent, mine, pull, _ = await held(workspace)
    name = f"acme/rocket#{pull.number}"
    await agent.call("github_comment_issue", issue=name, fence=mine["fence"], body="Done")
    await workspace.settle()
    assert ["Done" in each.body for each in pull.comments] == [True]
    refused = await agent.refusal("github_comment_issue", issue=name, fence=7, body="x")
    assert refused.code == "stale_fence"


async def test_a_pull_request_of_several_tasks_or_none_is_refused_with_its_tasks(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    one, two = [(await workspace.task(title)).number for title in ("One", "Two")]
    both = await open_pull(workspace, f"Fixes #{one}, fixes #{two}")
    refused = await agent.refusal("get_task", task=both)
    assert refused.code == "unknown_task"
    assert f"several tasks: acme/rocket#{one}, acme/rocket#{two}" in refused.message
    none = await open_pull(workspace, "By the way")
    refused = await agent.refusal("get_task", task=none)
    assert refused.code == "unknown_task"
    assert f"{none} is a pull request that belongs to no task" in refused.message
    named = await open_pull(workspace, f"Fixes acme/rocket#{two}")
    assert (await agent.call("get_task", task=named))["task"]["title"] == "Two"
