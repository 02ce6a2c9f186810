"""The end of a run in GitHub Actions ends its agent's leases, with no heartbeat needed."""

import pytest

from fixtures.github import WorkflowRun
from store.engine.origins import Origin
from tests.support.actions import HUBBUB, LISTED, allow_workflow, open_tokens, run_agent, token_of
from tests.support.story import Agent, Workspace


async def agent_of(workspace: Workspace, run: WorkflowRun) -> Agent:
    """The agent of a job, which works with the job's own token."""
    async with open_tokens(workspace.store, workspace.github, workspace.clock) as checker:
        verified = await checker.verify(token_of(workspace, run), workspace.clock())
    agent = Agent(workspace.dispatcher, verified.actor)
    await agent.call("register_agent", agent_id=agent.actor.name, name="Job")
    return agent


async def state_of(workspace: Workspace, *columns: str) -> list[tuple[object, ...]]:
    rows = await workspace.rows(
        f"SELECT {', '.join(columns)} FROM tasks t LEFT JOIN leases l ON l.task_id = t.id "
        "AND l.installation_id = t.installation_id WHERE t.installation_id = :i ORDER BY t.id"
    )
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    ("conclusion", "lease", "failures"),
    [
        ("success", "released", 0),
        ("failure", "revoked", 1),
        ("timed_out", "revoked", 1),
        ("cancelled", "revoked", 0),
    ],
)
async def test_a_run_that_ends_frees_its_task_at_once(
    workspace: Workspace, conclusion: str, lease: str, failures: int
) -> None:
    await allow_workflow(workspace)
    run, issue = run_agent(workspace), await workspace.task()
    agent = await agent_of(workspace, run)
    await agent.call("claim_task", task=workspace.name(issue))
    workspace.github.ci.finish_run(run, conclusion)
    await workspace.settle()
    columns = ("t.state", "t.holder", "t.failures", "l.state AS lease", "l.holder AS had")
    assert await state_of(workspace, *columns) == [
        ("pending", None, failures, lease, agent.actor.name)
    ]
    other = await workspace.agent("scout")
    assert (await other.call("claim_task"))["task"]["task"] == workspace.name(issue)


@pytest.mark.parametrize("conclusion", ["success", "failure", "cancelled"])
async def test_a_task_in_review_stays_in_review_without_a_holder(
    workspace: Workspace, conclusion: str
) -> None:
    await allow_workflow(workspace)
    run, issue = run_agent(workspace), await workspace.task()
    agent = await agent_of(workspace, run)
    claimed = await agent.call("claim_task", task=workspace.name(issue))
    fence = claimed["task"]["fence"]
    await agent.call(
        "update_task_status",
        task=workspace.name(issue),
        fence=fence,
        status="in_review",
        note="Ready",
    )
    workspace.github.ci.finish_run(run, conclusion)
    await workspace.settle()
    assert await state_of(workspace, "t.state", "t.holder", "t.failures") == [
        ("in_review", None, 0)
    ]


async def test_a_task_in_review_that_nobody_holds_can_be_released_for_others(
    workspace: Workspace,
) -> None:
    await allow_workflow(workspace)
    run, issue = run_agent(workspace), await workspace.task()
    agent = await agent_of(workspace, run)
    claimed = await agent.call("claim_task", task=workspace.name(issue))
    here = {"task": workspace.name(issue), "fence": claimed["task"]["fence"]}
    await agent.call("update_task_status", **here, status="in_review", note="Ready")
    workspace.github.ci.finish_run(run)
    await workspace.settle()
    other = await workspace.agent("scout")
    refused = await other.refusal("claim_task", task=here["task"])
    assert refused.message == (
        "acme/rocket#1 cannot be claimed: it is in review, and nobody holds it. What you can do: "
        "claim another task, or ask a tech-lead or a person to release it. No tech-lead is "
        "registered: ask a person."
    )
    assert (await other.refusal("release_task", task=here["task"])).code == "not_holder"
    workspace.person.comment(issue, "/release")
    await workspace.settle()
    assert (await other.call("claim_task"))["task"]["task"] == here["task"]


async def test_changes_requested_after_the_end_of_the_run_make_the_task_ready(
    workspace: Workspace,
) -> None:
    await allow_workflow(workspace)
    run, issue = run_agent(workspace), await workspace.task()
    agent = await agent_of(workspace, run)
    claimed = await agent.call("claim_task", task=workspace.name(issue))
    here = {"task": workspace.name(issue), "fence": claimed["task"]["fence"]}
    workspace.person.push(workspace.repository, "agent/1", {"a.py": "1"})
    await workspace.settle()
    await agent.call("github_create_pr", **here, head="agent/1", title="Mend it")
    await agent.call("update_task_status", **here, status="in_review", note="Ready")
    await workspace.settle()
    workspace.github.ci.finish_run(run)
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    workspace.person.review(pull, "changes_requested", "Not so.")
    await workspace.settle()
    other = await workspace.agent("scout")
    taken = await other.call("claim_task", task=here["task"])
    assert (taken["task"]["state"], taken["task"]["fence"]) == ("in_progress", 2)


@pytest.mark.parametrize(
    ("conclusion", "sent"), [("success", True), ("failure", False), ("cancelled", False)]
)
async def test_what_it_queued_on_its_task_is_sent_only_if_the_run_succeeded(
    workspace: Workspace, conclusion: str, *, sent: bool
) -> None:
    await allow_workflow(workspace)
    run, issue = run_agent(workspace), await workspace.task()
    agent = await agent_of(workspace, run)
    claimed = await agent.call("claim_task", task=workspace.name(issue))
    here = {"issue": workspace.name(issue), "fence": claimed["task"]["fence"]}
    await agent.call("github_comment_issue", **here, body="Last words")
    workspace.github.ci.finish_run(run, conclusion)
    while await workspace.process_delivery():
        pass
    await workspace.settle()
    (row,) = await workspace.rows(
        "SELECT state FROM writes WHERE installation_id = :i AND kind = 'comment'"
    )
    assert (row["state"] == "sent") is sent


async def test_an_agent_of_two_runs_keeps_its_task_while_one_of_them_goes_on(
    workspace: Workspace,
) -> None:
    """The settings can give all runs of a workflow one agent."""
    await allow_workflow(workspace, f"{LISTED}      agent: scout")
    first, second = run_agent(workspace), run_agent(workspace)
    issue = await workspace.task()
    async with open_tokens(workspace.store, workspace.github, workspace.clock) as checker:
        for run in (first, second):
            await checker.exchange(
                workspace.dispatcher.shared.keys,
                token_of(workspace, run),
                workspace.clock(),
                audience=HUBBUB,
                origin=Origin("oauth"),
            )
    agent = await agent_of(workspace, first)
    await agent.call("claim_task", task=workspace.name(issue))
    held = [("in_progress", agent.actor.name)]
    workspace.github.ci.finish_run(first)
    await workspace.settle()
    assert await state_of(workspace, "t.state", "t.holder") == held
    workspace.github.ci.finish_run(second)
    await workspace.settle()
    assert await state_of(workspace, "t.state", "t.holder") == [("pending", None)]


async def test_the_end_of_an_older_attempt_leaves_the_newer_attempt_its_task(
    workspace: Workspace,
) -> None:
    """Its webhook may come after those of the newer one."""
    await allow_workflow(workspace)
    run, issue = run_agent(workspace), await workspace.task()
    workspace.github.hold_deliveries()
    workspace.github.ci.finish_run(run, "failure")
    late = [each for each in workspace.github.held_deliveries if each.event == "workflow_run"]
    workspace.github.ci.rerun(run)
    workspace.github.ci.start_run(run)
    for each in workspace.github.held_deliveries:
        if each not in late:
            await workspace.github.post(each)
    workspace.github.held_deliveries.clear()
    await workspace.settle()
    agent = await agent_of(workspace, run)
    await agent.call("claim_task", task=workspace.name(issue))
    for each in late:
        await workspace.github.post(each)
    await workspace.settle()
    assert await state_of(workspace, "t.state", "t.holder") == [("in_progress", agent.actor.name)]
