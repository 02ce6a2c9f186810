"""What ends a task, what does not, and what may begin it again."""

from fixtures.github import Issue, Pull, Repository
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


async def second(workspace: Workspace, name: str = "acme/second") -> Repository:
    """Another repository of the installation."""
    made = workspace.github.repository(name)
    workspace.github.set_permission(name, "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, [name])
    await workspace.settle()
    return made


async def open_pull(
    workspace: Workspace, agent: Agent, issue: Issue, *, draft: bool = False
) -> Pull:
    """The pull request of the agent, which claims the issue's task for it."""
    mine = {"task": workspace.name(issue)}
    mine |= {"fence": (await agent.call("claim_task", **mine))["fence"]}
    workspace.person.push(workspace.repository, "mend", {"a.py": "1\n"}, base="main")
    await agent.write(
        "github_create_pr", **mine, title="Mend", head="mend", body="Mended", draft=draft
    )
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    return pull


async def stands(workspace: Workspace, issue: Issue) -> tuple[str, str | None]:
    looker = await workspace.agent("looker", "observer")
    task = (await looker.call("get_task", task=workspace.name(issue)))["task"]
    return task["state"], task["holder"]


async def test_a_merge_completes_its_task_once(workspace: Workspace) -> None:
    issue = await workspace.task()
    pull = await open_pull(workspace, await workspace.agent("scout"), issue)
    workspace.person.merge(pull)
    await workspace.settle()
    assert await stands(workspace, issue) == ("completed", None)
    workspace.person.close(issue)
    workspace.person.reopen(issue)  # it was not enough
    await workspace.settle()
    await (await workspace.agent("other")).call("claim_task", task=workspace.name(issue))
    workspace.clock.forward(10)
    workspace.person.add_label(pull, "done")
    await workspace.settle()
    assert await stands(workspace, issue) == ("in_progress", "other")


@ON_SQLITE
async def test_a_closing_from_before_a_retry_ends_nothing(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    here = {"task": workspace.name(issue)}
    fence = (await agent.call("claim_task", **here))["fence"]
    await agent.call("update_task_status", **here, fence=fence, status="completed")
    while issue.state == "open":  # it goes out, and its webhook is late
        workspace.clock.forward(await workspace.sender.step(workspace.installation.id) or 1)
    await lead.call("change_task", **here, state="pending")
    await agent.call("claim_task", **here)
    await workspace.settle()
    assert (await stands(workspace, issue), issue.state) == (("in_progress", "scout"), "open")
    workspace.clock.forward(5)
    workspace.person.close(issue)
    await workspace.settle()
    assert await stands(workspace, issue) == ("completed", None)


async def test_a_pull_request_of_the_same_number_elsewhere_is_not_the_tasks(
    workspace: Workspace,
) -> None:
    there, issue = await second(workspace), await workspace.task()
    agent = await workspace.agent("scout")
    pull = await open_pull(workspace, agent, issue, draft=True)
    workspace.person.open_issue(there, "Something else")
    workspace.person.push(there, "other", {"b.py": "1\n"}, base="main")
    other = workspace.person.open_pull(there, title="Other", head="other")
    assert other.number == pull.number
    moved = workspace.person.transfer_issue(issue, there)
    await workspace.settle()
    workspace.person.merge(other)
    await workspace.settle()
    task = (await agent.call("get_task", task=f"acme/second#{moved.number}"))["task"]
    assert (task["state"], task["holder"], task["pull_request"]) == ("in_progress", "scout", None)


@ON_SQLITE
async def test_a_task_that_ends_before_it_has_an_issue_gets_none(workspace: Workspace) -> None:
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    made = await agent.call("create_task", repository="acme/rocket", title="Too soon")
    await lead.call("change_task", task=made["task"]["id"], state="cancelled")
    await workspace.settle()
    assert workspace.repository.issues == {}
    refused = await lead.refusal("change_task", task=made["task"]["id"], state="pending")
    assert (refused.code, "create_task" in refused.message) == ("no_issue_yet", True)


@ON_SQLITE
async def test_an_issue_that_was_made_for_an_ended_task_is_closed(workspace: Workspace) -> None:
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    made = await agent.call("create_task", repository="acme/rocket", title="Too soon")
    await workspace.die_while_sending()
    await lead.call("change_task", task=made["task"]["id"], state="cancelled")
    await workspace.settle()
    (issue,) = workspace.repository.issues.values()
    assert (issue.state, issue.state_reason) == ("closed", "not_planned")


async def test_a_task_whose_issue_was_deleted_does_not_begin_again(workspace: Workspace) -> None:
    issue = await workspace.task()
    lead, where = await workspace.agent("lead", "tech-lead"), workspace.name(issue)
    task = (await lead.call("get_task", task=where))["task"]["id"]
    workspace.person.delete_issue(issue)
    await workspace.settle()
    refused = await lead.refusal("change_task", task=task, state="pending")
    assert (refused.code, "deleted" in refused.message) == ("illegal_transition", True)


async def test_a_merge_that_is_told_late_ends_nothing_that_began_since(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    pull = await open_pull(workspace, await workspace.agent("scout"), issue)
    told = len(workspace.github.deliveries)
    workspace.github.lose_deliveries(1)
    workspace.person.merge(pull)
    workspace.github.lose_deliveries(0)
    lost = workspace.github.deliveries[told:]
    (late,) = [each for each in lost if each.event == "pull_request"]
    for each in lost:
        if each is not late:
            workspace.github.redeliver(each)
    await workspace.settle()
    assert await stands(workspace, issue) == ("completed", None)
    workspace.clock.forward(10)
    workspace.person.reopen(issue)
    await workspace.settle()
    await (await workspace.agent("other")).call("claim_task", task=workspace.name(issue))
    workspace.github.redeliver(late)
    await workspace.settle()
    assert await stands(workspace, issue) == ("in_progress", "other")


async def test_a_pull_request_is_not_closed_past_its_tasks_holder(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    pull = await open_pull(workspace, agent, issue)
    here = {"pull_request": f"acme/rocket#{pull.number}", "state": "closed"}
    refused = await other.refusal("github_update_pr", **here)
    assert (refused.code, refused.details["holder"]) == ("not_holder", "scout")
    await agent.call("github_update_pr", **here)


async def test_a_holder_that_closes_its_issue_completes_its_task_at_once(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    where = workspace.name(issue)
    fence = (await agent.call("claim_task", task=where))["fence"]
    await agent.call("github_update_issue", issue=where, fence=fence, state="completed")
    assert await stands(workspace, issue) == ("completed", None)
    await workspace.settle()
    assert (issue.state, await stands(workspace, issue)) == ("closed", ("completed", None))


async def test_what_its_holder_steers_by_the_issue_is_dropped_with_the_lease(
    workspace: Workspace,
) -> None:
    given: dict[str, object] = {"blocked_by": []}
    issue, blocker = (
        await workspace.task(),
        workspace.person.open_issue(workspace.repository, "Blocker"),
    )
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    where = workspace.name(issue)
    await agent.call("claim_task", task=where, lease_s=60)
    workspace.person.block(issue, blocker)
    await workspace.settle()
    await agent.call("github_update_issue", issue=where, **given)
    await lead.call("release_task", task=where)
    await workspace.settle()
    assert (issue.state, issue.blocked_by) == ("open", [blocker])
    await lead.call("claim_task", task=where, lease_s=60)
    await workspace.settle()
    workspace.clock.forward(61)  # it ran out, and nobody freed it yet
    other = await workspace.agent("other")
    assert (await other.refusal("github_update_issue", issue=where, **given)).code == "not_holder"


async def test_a_lease_that_ran_out_steers_nothing(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    where = workspace.name(issue)
    pull = await open_pull(workspace, agent, issue, draft=True)
    workspace.clock.forward(901)
    refused = await agent.refusal("github_update_issue", issue=where, state="completed")
    assert refused.code == "not_holder"
    closing = {"pull_request": f"acme/rocket#{pull.number}", "state": "closed"}
    assert (await agent.refusal("github_update_pr", **closing)).code == "not_holder"


@ON_SQLITE
async def test_a_command_on_the_pull_request_is_about_its_task(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    pull = await open_pull(workspace, agent, issue)
    workspace.person.comment(pull, "/hold legal must look first")
    await workspace.settle()
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    assert (task["held"], task["held_why"]) == (True, "legal must look first")


@ON_SQLITE
async def test_an_issue_that_github_refuses_to_an_ended_task_ends_its_write(
    workspace: Workspace,
) -> None:
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    made = await agent.call("create_task", repository="acme/rocket", title="Too soon")
    workspace.github.fault("POST", "/issues$", "502")
    await workspace.sender.step(workspace.installation.id)
    await lead.call("change_task", task=made["task"]["id"], state="cancelled")
    workspace.github.fault("POST", "/issues$", "422", times=9)
    await workspace.settle()
    assert (await agent.write("get_write", write_id=made["writes"][0]["write_id"]))["state"] in (
        "refused",
        "cancelled",
    )
    assert (await lead.call("get_task", task=made["task"]["id"]))["task"]["state"] == "cancelled"
