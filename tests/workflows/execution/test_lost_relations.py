"""A step goes on after a failure, whatever became of the relation on GitHub meanwhile."""

import pytest

from bot.errors import Refused
from tests.support.story import Agent, Workspace
from tests.support.workflows import Played, define, start

CONTINUE = """
steps:
  - {id: lint, title: Lint it, body: Work., on_failure: continue}
  - {id: other, title: Do more, body: Work.}
  - {id: ship, title: Ship it, body: Work., needs: [lint]}
"""


@pytest.mark.parametrize("moving", ["lint", "ship"])
async def test_a_relation_of_an_issue_that_moves_before_its_removal_is_sent_is_removed(
    workspace: Workspace, moving: str
) -> None:
    flow, ada = await start(workspace, CONTINUE), await workspace.agent("ada")
    there = workspace.github.repository("acme/engine", private=True)
    workspace.github.set_permission("acme/engine", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/engine"])
    await workspace.settle()
    ship = await flow.issue("ship")
    await flow.claim(ada, "lint")
    moved = workspace.person.transfer_issue(await flow.issue(moving), there)
    await flow.report(ada, "lint", "failed")
    await workspace.settle()
    assert (moved if moving == "ship" else ship).blocked_by == []
    assert {(await ada.call("claim_task"))["task"]["title"] for _ in "12"} == {"Do more", "Ship it"}


async def send_until_ready(workspace: Workspace, agent: Agent, flow: Played, key: str) -> None:
    """Let GitHub have the step and its relations, and claim it at once."""
    while True:
        task = await flow.task(key)
        if task["number"] is not None:
            try:
                await flow.claim(agent, key)
            except Refused as exc:
                if exc.code != "relations_pending":
                    raise
            else:
                return
        if not await workspace.process_delivery():
            workspace.clock.forward(await workspace.sender.step(workspace.installation.id) or 1)


async def test_a_relation_that_github_does_not_have_yet_when_its_need_fails_is_not_made(
    workspace: Workspace,
) -> None:
    ada = await workspace.agent("ada")
    await define(workspace, CONTINUE)
    where = workspace.repository.full_name
    made = await ada.call("start_workflow", name="feature", repository=where)
    flow = Played(workspace, made["id"], "")
    await send_until_ready(workspace, ada, flow, "lint")
    q = "SELECT state FROM writes WHERE installation_id = :i AND kind = 'blocked_by'"
    assert await workspace.rows(q) == [{"state": "queued"}]
    await flow.report(ada, "lint", "failed")
    await workspace.settle()
    assert await workspace.rows(q) == [{"state": "cancelled"}]
    assert (await flow.issue("ship")).blocked_by == []
    assert {(await ada.call("claim_task"))["task"]["title"] for _ in "12"} == {"Do more", "Ship it"}
