"""A review that says no: it sends back a task whose holder had asked for it, and no other."""

import pytest

from fixtures.github import Issue, Pull
from tests.support.story import Agent, Town


async def proposed(town: Town, agent: Agent, issue: Issue) -> tuple[Pull, dict[str, object]]:
    """A pull request of the task; how its holder names the task."""
    where = town.name(issue)
    fence = (await agent.call("claim_task", task=where, lease_s=3600))["fence"]
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.call("github_create_pr", task=where, fence=fence, head="fix", title="Mend")
    await town.settle()
    (pull,) = town.repository.pulls.values()
    return pull, {"task": where, "fence": fence}


async def state(agent: Agent, mine: dict[str, object]) -> object:
    return (await agent.call("get_task", task=mine["task"]))["task"]["state"]


@pytest.mark.parametrize("before", ["nothing", "a question"])
async def test_a_review_from_before_the_step_to_in_review_that_comes_late_changes_nothing(
    town: Town, before: str
) -> None:
    agent = await town.agent("scout")
    reviewer = town.github.person("hubot", permissions={"acme/rocket": "write"})
    pull, mine = await proposed(town, agent, await town.task())
    if before == "a question":
        # Its lease is parked from here on; in review it is from later on.
        await agent.call("update_task_status", status="in_progress", question="So?", **mine)
        await town.settle()
    town.clock.forward(60)
    town.github.hold_deliveries()
    reviewer.review(pull, "changes_requested", "Not so.")
    town.clock.forward(60)
    await agent.call("update_task_status", status="in_review", **mine)
    town.github.release_deliveries()
    await town.settle()
    assert await state(agent, mine) == "in_review"
    town.clock.forward(60)
    reviewer.review(pull, "changes_requested", "Not so either.")
    await town.settle()
    assert await state(agent, mine) == "in_progress"


async def test_a_review_from_before_a_hold_counts_however_late_it_comes(town: Town) -> None:
    agent = await town.agent("scout")
    reviewer = town.github.person("hubot", permissions={"acme/rocket": "write"})
    issue = await town.task()
    pull, mine = await proposed(town, agent, issue)
    await agent.call("update_task_status", status="in_review", **mine)
    town.clock.forward(60)
    town.github.lose_deliveries(1)
    reviewer.review(pull, "changes_requested", "Not so.")
    town.github.lose_deliveries(0)
    (late,) = [each for each in town.github.deliveries if each.event == "pull_request_review"]
    town.clock.forward(60)
    town.person.comment(issue, "/hold")
    town.clock.forward(60)
    await town.settle()
    town.github.redeliver(late)
    await town.settle()
    assert await state(agent, mine) == "in_progress"


async def test_a_pull_request_closed_before_the_step_to_in_review_leaves_it_there(
    town: Town,
) -> None:
    agent = await town.agent("scout")
    pull, mine = await proposed(town, agent, await town.task())
    town.clock.forward(60)
    town.github.hold_deliveries()
    town.person.close(pull)
    town.clock.forward(60)
    await agent.call("update_task_status", status="in_review", **mine)
    town.github.release_deliveries()
    await town.settle()
    assert await state(agent, mine) == "in_review"
