"""What keeps one agent, or one task, from going round in circles."""

import pytest

from bot.operations.tasks import claims
from tests.support.story import Workspace


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
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MOST_CLAIMS", 3)
    monkeypatch.setattr(claims, "MOST_RELEASES", 2)
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
