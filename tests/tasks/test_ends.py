"""What ends a task, what does not, and what may begin it again."""

import pytest

from fixtures.github import Issue, Pull, Repository
from tests.support.story import Agent, Town


async def second(town: Town, name: str = "acme/second") -> Repository:
    """Another repository of the installation."""
    made = town.github.repository(name)
    town.github.set_permission(name, "octocat", "admin")
    town.github.add_repositories(town.installation, [name])
    await town.settle()
    return made


async def opened(town: Town, agent: Agent, issue: Issue) -> Pull:
    """The pull request of the agent, which claims the issue's task for it."""
    mine = {"task": town.name(issue)}
    mine |= {"fence": (await agent.call("claim_task", **mine))["fence"]}
    town.person.push(town.repository, "mend", {"a.py": "1\n"}, base="main")
    await agent.call("github_create_pr", **mine, title="Mend", head="mend", body="Mended")
    await town.settle()
    (pull,) = town.repository.pulls.values()
    return pull


async def stands(town: Town, issue: Issue) -> tuple[str, str | None]:
    looker = await town.agent("looker", "observer")
    task = (await looker.call("get_task", task=town.name(issue)))["task"]
    return task["state"], task["holder"]


async def test_a_merge_completes_its_task_once(town: Town) -> None:
    issue = await town.task()
    pull = await opened(town, await town.agent("scout"), issue)
    town.person.merge(pull)
    await town.settle()
    assert await stands(town, issue) == ("completed", None)
    town.person.close(issue)
    town.person.reopen(issue)  # it was not enough
    await town.settle()
    await (await town.agent("other")).call("claim_task", task=town.name(issue))
    town.clock.forward(10)
    town.person.add_label(pull, "done")
    await town.settle()
    assert await stands(town, issue) == ("in_progress", "other")


async def test_a_closing_from_before_a_retry_ends_nothing(town: Town) -> None:
    issue = await town.task()
    agent, lead = await town.agent("scout"), await town.agent("lead", "tech-lead")
    here = {"task": town.name(issue)}
    fence = (await agent.call("claim_task", **here))["fence"]
    await agent.call("update_task_status", **here, fence=fence, status="completed")
    while issue.state == "open":  # it goes out, and its webhook is late
        town.clock.forward(await town.sender.step(town.installation.id) or 1)
    await lead.call("change_task", **here, state="pending")
    await agent.call("claim_task", **here)
    await town.settle()
    assert (await stands(town, issue), issue.state) == (("in_progress", "scout"), "open")
    town.clock.forward(5)
    town.person.close(issue)
    await town.settle()
    assert await stands(town, issue) == ("completed", None)


async def test_a_pull_request_of_the_same_number_elsewhere_is_not_the_tasks(town: Town) -> None:
    there, issue = await second(town), await town.task()
    agent = await town.agent("scout")
    pull = await opened(town, agent, issue)
    town.person.open_issue(there, "Something else")
    town.person.push(there, "other", {"b.py": "1\n"}, base="main")
    other = town.person.open_pull(there, title="Other", head="other")
    assert other.number == pull.number
    moved = town.person.transfer_issue(issue, there)
    await town.settle()
    town.person.merge(other)
    await town.settle()
    task = (await agent.call("get_task", task=f"acme/second#{moved.number}"))["task"]
    assert (task["state"], task["holder"], task["pull_request"]) == ("in_progress", "scout", None)


async def test_a_task_that_ends_before_it_has_an_issue_gets_none(town: Town) -> None:
    agent, lead = await town.agent("scout"), await town.agent("lead", "tech-lead")
    made = await agent.call("create_task", repository="acme/rocket", title="Too soon")
    await lead.call("change_task", task=made["task"]["id"], state="cancelled")
    await town.settle()
    assert town.repository.issues == {}
    refused = await lead.refused("change_task", task=made["task"]["id"], state="pending")
    assert (refused.code, "create_task" in refused.message) == ("no_issue_yet", True)


async def test_an_issue_that_was_made_for_an_ended_task_is_closed(town: Town) -> None:
    agent, lead = await town.agent("scout"), await town.agent("lead", "tech-lead")
    made = await agent.call("create_task", repository="acme/rocket", title="Too soon")
    await town.die_while_sending()
    await lead.call("change_task", task=made["task"]["id"], state="cancelled")
    await town.settle()
    (issue,) = town.repository.issues.values()
    assert (issue.state, issue.state_reason) == ("closed", "not_planned")


async def test_a_task_whose_issue_was_deleted_does_not_begin_again(town: Town) -> None:
    issue = await town.task()
    lead, where = await town.agent("lead", "tech-lead"), town.name(issue)
    task = (await lead.call("get_task", task=where))["task"]["id"]
    town.person.delete_issue(issue)
    await town.settle()
    refused = await lead.refused("change_task", task=task, state="pending")
    assert (refused.code, "deleted" in refused.message) == ("illegal_transition", True)


async def test_a_merge_that_is_told_late_ends_nothing_that_began_since(town: Town) -> None:
    issue = await town.task()
    pull = await opened(town, await town.agent("scout"), issue)
    told = len(town.github.deliveries)
    town.github.lose_deliveries(1)
    town.person.merge(pull)
    town.github.lose_deliveries(0)
    lost = town.github.deliveries[told:]
    (late,) = [each for each in lost if each.event == "pull_request"]
    for each in lost:
        if each is not late:
            town.github.redeliver(each)
    await town.settle()
    assert await stands(town, issue) == ("completed", None)
    town.clock.forward(10)
    town.person.reopen(issue)
    await town.settle()
    await (await town.agent("other")).call("claim_task", task=town.name(issue))
    town.github.redeliver(late)
    await town.settle()
    assert await stands(town, issue) == ("in_progress", "other")


async def test_a_pull_request_is_not_closed_past_its_tasks_holder(town: Town) -> None:
    issue = await town.task()
    agent, other = await town.agent("scout"), await town.agent("other")
    pull = await opened(town, agent, issue)
    here = {"pull_request": f"acme/rocket#{pull.number}", "state": "closed"}
    refused = await other.refused("github_update_pr", **here)
    assert (refused.code, refused.details["holder"]) == ("not_holder", "scout")
    await agent.call("github_update_pr", **here)


@pytest.mark.parametrize("given", [{"state": "completed"}, {"blocked_by": []}])
async def test_what_its_holder_steers_by_the_issue_is_dropped_with_the_lease(
    town: Town, given: dict[str, object]
) -> None:
    issue, blocker = await town.task(), town.person.open_issue(town.repository, "Blocker")
    agent, lead = await town.agent("scout"), await town.agent("lead", "tech-lead")
    where = town.name(issue)
    await agent.call("claim_task", task=where, lease_s=60)
    town.person.block(issue, blocker)
    await town.settle()
    await agent.call("github_update_issue", issue=where, **given)
    await lead.call("release_task", task=where)
    await town.settle()
    assert (issue.state, issue.blocked_by) == ("open", [blocker])
    await lead.call("claim_task", task=where, lease_s=60)
    await town.settle()
    town.clock.forward(61)  # it ran out, and nobody freed it yet
    other = await town.agent("other")
    assert (await other.refused("github_update_issue", issue=where, **given)).code == "not_holder"


async def test_a_lease_that_ran_out_steers_nothing(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    where = town.name(issue)
    pull = await opened(town, agent, issue)
    town.clock.forward(901)
    refused = await agent.refused("github_update_issue", issue=where, state="completed")
    assert refused.code == "not_holder"
    closing = {"pull_request": f"acme/rocket#{pull.number}", "state": "closed"}
    assert (await agent.refused("github_update_pr", **closing)).code == "not_holder"


async def test_a_command_on_the_pull_request_is_about_its_task(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    pull = await opened(town, agent, issue)
    town.person.comment(pull, "/hold legal must look first")
    await town.settle()
    task = (await agent.call("get_task", task=town.name(issue)))["task"]
    assert (task["held"], task["held_why"]) == (True, "legal must look first")


async def test_an_issue_that_github_refuses_to_an_ended_task_ends_its_write(town: Town) -> None:
    agent, lead = await town.agent("scout"), await town.agent("lead", "tech-lead")
    made = await agent.call("create_task", repository="acme/rocket", title="Too soon")
    town.github.fault("POST", "/issues$", "502")
    await town.sender.step(town.installation.id)
    await lead.call("change_task", task=made["task"]["id"], state="cancelled")
    town.github.fault("POST", "/issues$", "422", times=9)
    await town.settle()
    assert (await agent.call("get_write", write_id=made["write_id"]))["state"] in (
        "refused",
        "cancelled",
    )
    assert (await lead.call("get_task", task=made["task"]["id"]))["task"]["state"] == "cancelled"
