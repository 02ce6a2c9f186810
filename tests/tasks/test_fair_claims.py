"""What keeps one agent, or one task, from going round in circles."""

from tests.support.story import Agent, Workspace


async def test_a_task_that_was_given_back_is_offered_to_others_first(workspace: Workspace) -> None:
    old, new = await workspace.task("Old"), await workspace.task("New")
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    claimed = await agent.call("claim_task")
    assert claimed["task"]["task"] == workspace.name(old)
    await agent.call("release_task", task=workspace.name(old), fence=claimed["fence"])
    assert (await agent.call("claim_task"))["task"]["task"] == workspace.name(new)
    assert (await other.call("claim_task"))["task"]["task"] == workspace.name(old)


async def test_a_task_that_was_given_back_is_taken_again_if_it_is_the_only_one(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    claimed = await agent.call("claim_task")
    await agent.call("release_task", task=workspace.name(issue), fence=claimed["fence"])
    assert (await agent.call("claim_task"))["fence"] == 2


async def test_an_agent_claims_and_releases_only_so_often_within_an_hour(
    workspace: Workspace,
) -> None:
    workspace.set_quotas("claims_an_hour=3, releases_an_hour=2")
    name, agent = workspace.name(await workspace.task()), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    for _ in range(2):
        fence = (await agent.call("claim_task", task=name))["fence"]
        await agent.call("release_task", task=name, fence=fence)
    fence = (await agent.call("claim_task", task=name))["fence"]
    refused = await agent.refusal("release_task", task=name, fence=fence)
    assert (refused.code, refused.details["retry_after_s"]) == ("rate_limited", 3600)
    await lead.call("release_task", task=name)
    assert (await agent.refusal("claim_task", task=name)).code == "rate_limited"
    workspace.clock.forward(3601)
    await agent.call("claim_task", task=name)


async def let_expire(workspace: Workspace, agent: Agent, task: str) -> None:
    await agent.call("claim_task", task=task, lease_s=60)
    await workspace.time_passes(61)


async def test_a_task_whose_leases_keep_expiring_is_on_hold_until_somebody_decides(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    name, why = workspace.name(issue), "3 leases on it expired or failed"
    for _ in range(2):
        await let_expire(workspace, agent, name)
    assert (await agent.call("explain_task", task=name))["claimable"]
    await let_expire(workspace, agent, name)
    refused = await agent.refusal("claim_task")
    assert refused.code == "nothing_ready"
    assert [each["kind"] for each in refused.notices] == ["lease_lost"]
    assert f"It is on hold, because {why}." in refused.notices[0]["message"]
    refused = await agent.refusal("claim_task", task=name)
    assert (refused.code, why in refused.message) == ("on_hold", True)
    (notice,) = (await lead.call("list_tasks"))["notices"]
    assert (notice["kind"], notice["subject"]) == ("stuck", name)
    assert notice["message"].startswith(f"{why} ({name}), so no agent gets it")
    (card,) = issue.comments
    assert f"**On hold** by `hubbub[bot]`: `{why}`. `/resume` ends the hold." in card.body
    workspace.person.comment(issue, "/why")
    await workspace.settle()
    assert why in issue.comments[-1].body
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    assert (await lead.call("list_tasks"))["notices"] == []
    await let_expire(workspace, agent, name)
    assert (await agent.call("claim_task"))["fence"] == 5


async def test_reported_failures_count_and_the_repository_sets_how_many(
    workspace: Workspace,
) -> None:
    workspace.person.push(workspace.repository, "main", {".github/hubbub.yml": "max_failures: 2\n"})
    await workspace.settle()
    name, agent = workspace.name(await workspace.task()), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    fence = (await agent.call("claim_task", task=name))["fence"]
    await agent.call("update_task_status", task=name, fence=fence, status="failed")
    await lead.call("change_task", task=name, state="pending")
    await let_expire(workspace, agent, name)
    assert (await agent.refusal("claim_task", task=name)).code == "on_hold"
    refused = await lead.refusal("change_task", task=name, state="pending")
    assert "Pass `hold` false to end the hold." in refused.message
    await lead.call("change_task", task=name, hold=False)
    await agent.call("claim_task", task=name)


async def test_a_task_that_failed_too_often_says_so_until_it_is_retried(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    name, lead = workspace.name(issue), await workspace.agent("lead", "tech-lead")
    for n in range(3):
        if n:
            await lead.call("change_task", task=name, state="pending")
        fence = (await agent.call("claim_task", task=name))["fence"]
        await agent.call("update_task_status", task=name, fence=fence, status="failed")
    await workspace.settle()
    why = "3 leases on it expired or failed"
    assert f"{why}. `/retry` gives it to agents again." in issue.comments[0].body
    assert why in (await agent.call("explain_task", task=name))["text"]
    (notice,) = (await lead.call("list_tasks"))["notices"]
    assert notice["message"].endswith("Call change_task with `state` pending.")
    await lead.call("change_task", task=name, state="pending")
    assert (await lead.call("list_tasks"))["notices"] == []
    await agent.call("claim_task", task=name)
