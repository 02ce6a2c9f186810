"""A step that asks for a role is claimed only by agents that have it."""

from tests.support.story import Workspace
from tests.support.workflows import start

TEXT = """
steps:
  - {id: decide, title: Decide it, body: Think., role: tech-lead}
  - {id: write, title: Write it, body: Work., role: developer}
"""


async def test_an_agent_with_a_lower_role_does_not_get_the_step(workspace: Workspace) -> None:
    flow = await start(workspace, TEXT)
    ada, lead = await workspace.agent("ada"), await workspace.agent("lea", "tech-lead")
    name = await flow.name("decide")
    refused = await ada.refusal("claim_task", task=name)
    assert (refused.code, "agents with the role tech-lead" in refused.message) == (
        "forbidden",
        True,
    )
    explained = await ada.call("explain_task", task=name)
    assert (explained["claimable"], [each["code"] for each in explained["reasons"]]) == (
        False,
        ["forbidden"],
    )
    assert (await ada.call("claim_task"))["task"]["task"] == await flow.name("write")
    nothing = await ada.refusal("claim_task")
    assert (nothing.code, "do not match" in nothing.message) == ("nothing_ready", False)
    assert (await lead.call("claim_task"))["task"]["task"] == name


async def test_a_person_may_take_any_step(workspace: Workspace) -> None:
    flow = await start(workspace, TEXT)
    workspace.person.comment(await flow.issue("decide"), "/claim")
    await workspace.settle()
    assert (await flow.task("decide"))["holder"] == "@octocat"
