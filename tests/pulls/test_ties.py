"""A pull request belongs to the task of its maker, and takes it to review and back."""

from typing import Any

import pytest

from fixtures.github import Issue, Pull
from tests.support.story import Agent, Workspace

FILES = [{"path": "a.py", "content": "1\n"}]


async def claim(workspace: Workspace, agent: Agent, issue: Issue) -> dict[str, Any]:
    name = workspace.name(issue)
    return {"task": name, "fence": (await agent.call("claim_task", task=name))["fence"]}


async def propose(
    workspace: Workspace, agent: Agent, mine: dict[str, Any], *, draft: bool = False
) -> Pull:
    await agent.call("github_commit_files", **mine, branch="fix", files=FILES, message="Mend")
    await agent.call("github_create_pr", **mine, head="fix", title="Mend", draft=draft)
    await workspace.settle()
    return workspace.repository.pulls[max(workspace.repository.pulls)]


async def task(agent: Agent, issue: Issue) -> tuple[str, int | None]:
    found = (await agent.call("get_task", task=f"acme/rocket#{issue.number}"))["task"]
    return found["state"], found["pull_request"]


async def test_a_task_is_in_review_once_its_holder_opens_the_pull_request(
    workspace: Workspace,
) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    pull = await propose(workspace, scout, await claim(workspace, scout, issue))
    assert await task(scout, issue) == ("in_review", pull.number)
    kinds = await workspace.rows("SELECT kind FROM events WHERE installation_id = :i ORDER BY seq")
    assert [each["kind"] for each in kinds].count("task.pull") == 1


async def test_a_draft_leaves_the_task_in_progress_until_it_is_ready_for_review(
    workspace: Workspace,
) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    pull = await propose(workspace, scout, await claim(workspace, scout, issue), draft=True)
    assert await task(scout, issue) == ("in_progress", pull.number)
    name = f"acme/rocket#{pull.number}"
    await scout.call("github_update_pr", pull_request=name, draft=False)
    await workspace.settle()
    assert await task(scout, issue) == ("in_review", pull.number)
    workspace.clock.forward(60)
    await scout.call("github_update_pr", pull_request=name, draft=True)
    await workspace.settle()
    assert await task(scout, issue) == ("in_progress", pull.number)


@pytest.mark.parametrize("how", ["its text", "its branch"])
@pytest.mark.parametrize("first", ["the claim", "the pull request"])
async def test_the_pull_request_of_a_person_who_holds_the_task_is_the_tasks(
    workspace: Workspace, how: str, first: str
) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    if first == "the claim":
        workspace.person.comment(issue, "/claim")
        await workspace.settle()
    head = f"{issue.number}-fix" if how == "its branch" else "fix"
    body = f"Fixes #{issue.number}" if how == "its text" else ""
    workspace.person.push(workspace.repository, head, {"a.py": "1\n"}, base="main")
    pull = workspace.person.open_pull(workspace.repository, title="Mend", head=head, body=body)
    await workspace.settle()
    if first == "the pull request":
        workspace.person.comment(issue, "/claim")
        await workspace.settle()
    assert await task(scout, issue) == ("in_review", pull.number)
    workspace.person.merge(pull)
    await workspace.settle()
    assert (await task(scout, issue))[0] == "completed"


async def test_the_pull_request_of_somebody_else_is_not_the_tasks(workspace: Workspace) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    await claim(workspace, scout, issue)
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    workspace.person.open_pull(
        workspace.repository, title="Mend", head="fix", body=f"Fixes #{issue.number}"
    )
    await workspace.settle()
    assert await task(scout, issue) == ("in_progress", None)


async def test_a_hand_over_leaves_the_pull_request_with_the_task(workspace: Workspace) -> None:
    scout, rover = await workspace.agent("scout"), await workspace.agent("rover")
    issue = await workspace.task()
    mine = await claim(workspace, scout, issue)
    pull = await propose(workspace, scout, mine)
    await scout.call("release_task", **mine)
    await workspace.settle()
    await claim(workspace, rover, issue)
    await workspace.settle()
    assert await task(rover, issue) == ("in_progress", pull.number)


async def test_the_holder_learns_whom_a_person_asked_for_a_review(workspace: Workspace) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    pull = await propose(workspace, scout, await claim(workspace, scout, issue))
    workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    workspace.person.request_review(pull, "hubot")
    await workspace.settle()
    (notice,) = (await scout.call("list_agents"))["notices"]
    assert (notice["kind"], notice["message"]) == (
        "reviewer_asked",
        f"@octocat asked @hubot to review your pull request acme/rocket#{pull.number}.",
    )
