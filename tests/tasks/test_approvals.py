"""A repository may ask that several agents approve a pull request before its review counts."""

from typing import Any

from tests.pulls.test_checks import checks
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace
from tests.tasks.test_verdicts import Proposal, proposal

__all__ = ["proposal"]
SETTINGS = "agents_may_merge: true\ncheck:\n  approvals: 2\n"


async def ask_for_two(workspace: Workspace, settings: str = SETTINGS) -> None:
    workspace.person.push(workspace.repository, "main", {".github/hubbub.yml": settings})
    await workspace.settle()


async def approve(proposal: Proposal, *names: str) -> None:
    for each in names:
        agent = await proposal.workspace.agent(each, "tester")
        await agent.call("github_review_pr", **proposal.given, **proposal.approval, body="Fine.")
    await proposal.workspace.settle()
    proposal.workspace.clock.forward(120)
    await proposal.workspace.settle()


def check(proposal: Proposal) -> tuple[str, str | None, str]:
    (found,) = checks(proposal.workspace, proposal.pull.head_sha)
    return found.progress.status, found.progress.conclusion, found.output["title"]


async def test_a_pull_request_is_approved_when_as_many_agents_as_asked_for_approved_its_head(
    proposal: Proposal,
) -> None:
    await ask_for_two(proposal.workspace)
    await approve(proposal, "ann")
    pull = (await proposal.task())["pull"]
    assert (pull["review"], pull["waits_for"][:1]) == ("none", ["1 of 2 agents approved its head"])
    assert "1 of 2 agents approved; approved by `ann`." in proposal.card()
    assert check(proposal)[::2] == ("in_progress", "1 of 2 agents approved")
    # The same agent again is still one.
    await approve(proposal, "ann")
    assert (await proposal.task())["pull"]["review"] == "none"
    await approve(proposal, "bob")
    pull = (await proposal.task())["pull"]
    assert (pull["review"], pull["waits_for"]) == ("approved", [])
    assert "Approved by `ann`, `bob`." in proposal.card()
    assert "somebody merges" in proposal.card()
    assert check(proposal)[1] == "success"


@ON_SQLITE
async def test_a_push_outdates_the_approvals(proposal: Proposal) -> None:
    await ask_for_two(proposal.workspace)
    await approve(proposal, "ann", "bob")
    await proposal.push()
    await approve(proposal, "ann")
    assert (await proposal.task())["pull"]["review"] == "none"
    assert check(proposal)[::2] == ("in_progress", "1 of 2 agents approved")


@ON_SQLITE
async def test_an_agent_merges_nothing_before_enough_agents_approved(proposal: Proposal) -> None:
    await ask_for_two(proposal.workspace)
    await approve(proposal, "ann")
    given: dict[str, Any] = {**proposal.given, "merge": "squash"}
    refused = await proposal.maker.refusal("github_update_pr", **given)
    assert refused.code == "not_approved"
    assert refused.message.startswith(
        f"1 of 2 agents approved the head of #{proposal.pull.number}, and no person did. "
    )
    assert (refused.details["approvals"], refused.details["needed"]) == (1, 2)
    await approve(proposal, "bob")
    await proposal.maker.call("github_update_pr", **given)
    await proposal.workspace.settle()
    assert proposal.pull.merged_at is not None


@ON_SQLITE
async def test_a_persons_approval_is_enough(proposal: Proposal) -> None:
    await ask_for_two(proposal.workspace)
    proposal.workspace.person.review(proposal.pull, "approved", "Fine.")
    await proposal.workspace.settle()
    assert (await proposal.task())["pull"]["review"] == "approved"


@ON_SQLITE
async def test_requested_changes_outweigh_approvals(proposal: Proposal) -> None:
    await ask_for_two(proposal.workspace)
    await approve(proposal, "ann", "bob")
    cyd = await proposal.workspace.agent("cyd", "tester")
    await cyd.call("github_review_pr", **proposal.given, event="REQUEST_CHANGES", body="No.")
    assert (await proposal.task())["pull"]["review"] == "changes_requested"


@ON_SQLITE
async def test_without_the_setting_one_approval_decides(proposal: Proposal) -> None:
    await approve(proposal, "ann")
    assert (await proposal.task())["pull"]["review"] == "approved"
    assert check(proposal)[1] == "success"
