"""A review that says no: it sends back a task whose holder had asked for it, and no other."""

import pytest

from fixtures.github import Issue, Pull
from tests.support.story import Agent, Workspace


async def propose(
    workspace: Workspace, agent: Agent, issue: Issue, *, draft: bool = False
) -> tuple[Pull, dict[str, object]]:
    """A pull request of the task; how its holder names the task."""
    where = workspace.name(issue)
    fence = (await agent.call("claim_task", task=where, lease_s=3600))["fence"]
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.write(
        "github_create_pr", task=where, fence=fence, head="fix", title="Mend", draft=draft
    )
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    return pull, {"task": where, "fence": fence}


async def state(agent: Agent, mine: dict[str, object]) -> object:
    return (await agent.call("get_task", task=mine["task"]))["task"]["state"]


@pytest.mark.parametrize("before", ["nothing", "a question"])
async def test_a_review_from_before_the_step_to_in_review_that_comes_late_changes_nothing(
    workspace: Workspace, before: str
) -> None:
    agent = await workspace.agent("scout")
    reviewer = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    pull, mine = await propose(workspace, agent, await workspace.task(), draft=True)
    if before == "a question":
        # Its lease is parked from here on; in review it is from later on.
        await agent.call("update_task_status", status="in_progress", question="So?", **mine)
        await workspace.settle()
    workspace.clock.forward(60)
    workspace.github.hold_deliveries()
    reviewer.review(pull, "changes_requested", "Not so.")
    workspace.clock.forward(60)
    await agent.call("update_task_status", status="in_review", **mine)
    workspace.github.release_deliveries()
    await workspace.settle()
    assert await state(agent, mine) == "in_review"
    workspace.clock.forward(60)
    reviewer.review(pull, "changes_requested", "Not so either.")
    await workspace.settle()
    assert await state(agent, mine) == "in_progress"


async def test_a_review_from_before_a_hold_counts_however_late_it_comes(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    reviewer = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    issue = await workspace.task()
    pull, mine = await propose(workspace, agent, issue)
    await agent.call("update_task_status", status="in_review", **mine)
    workspace.clock.forward(60)
    workspace.github.lose_deliveries(1)
    reviewer.review(pull, "changes_requested", "Not so.")
    workspace.github.lose_deliveries(0)
    (late,) = [each for each in workspace.github.deliveries if each.event == "pull_request_review"]
    workspace.clock.forward(60)
    workspace.person.comment(issue, "/hold")
    workspace.clock.forward(60)
    await workspace.settle()
    workspace.github.redeliver(late)
    await workspace.settle()
    assert await state(agent, mine) == "in_progress"


async def test_a_pull_request_closed_before_the_step_to_in_review_leaves_it_there(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    pull, mine = await propose(workspace, agent, await workspace.task(), draft=True)
    workspace.clock.forward(60)
    workspace.github.hold_deliveries()
    workspace.person.close(pull)
    workspace.clock.forward(60)
    await agent.call("update_task_status", status="in_review", **mine)
    workspace.github.release_deliveries()
    await workspace.settle()
    assert await state(agent, mine) == "in_review"
