"""Cards say which step of which workflow a task is, and how far the workflow is."""

import pytest

from tests.comments.test_card_boxes import verbs
from tests.outbox.test_own_writes import card
from tests.support.story import Workspace
from tests.support.workflows import begin, writes_per_step

# Requests for one step from its issue to its end, with those for the whole workflow.
MOST_WRITES = 8


async def test_cards_show_the_workflow_and_its_steps(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    played = await begin(workspace, ada, feature="login")
    await played.claim(ada, "design")
    await workspace.settle()
    parent = await played.issue("parent")
    design = card(await played.issue("design"))
    assert f"Step `design` of the workflow `feature`, #{parent.number}." in design
    await played.report(ada, "design", "completed")
    await workspace.settle()
    shown = card(parent)
    assert "Workflow `feature`, running: 1 of 4 steps have ended. Hubbub" in shown
    assert "**Hubbub** · its steps are worked on" in shown
    assert "can claim this task" not in shown
    assert verbs(parent) == ["/hold", "/done", "/cancel"]
    assert f"| `design` | #{(await played.issue('design')).number} | completed | `ada` |" in shown
    number = (await played.issue("build-1")).number
    assert f"| `build-1` | #{number} | can begin |" in shown
    for key in ("build-1", "build-2", "release"):
        await played.do(ada, key)
    assert "Workflow `feature`, completed: 4 of 4 steps have ended." in card(parent)


async def test_the_card_of_a_failed_workflow_says_how_it_goes_on(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    played = await begin(workspace, ada, feature="login")
    await played.do(ada, "design", "failed")
    parent = await played.issue("parent")
    shown = card(parent)
    assert "**Hubbub** · its workflow failed" in shown
    assert "**Next:** somebody comments `/retry`, and the workflow goes on." in shown
    assert "can claim this task" not in shown
    assert verbs(parent) == ["/retry", "/hold", "/done", "/cancel"]


@pytest.mark.parametrize("parts", [4])
async def test_a_step_takes_few_writes_from_its_start_to_its_end(
    workspace: Workspace, parts: int
) -> None:
    ada = await workspace.agent("ada")
    names = [f"part {n}" for n in range(parts)]
    played = await begin(workspace, ada, feature="login", components=names)
    for key in await played.states():
        await played.do(ada, key)
    assert (await played.workflow())["state"] == "completed"
    found = await writes_per_step(workspace, parts + 2)
    assert found.each <= MOST_WRITES, found.kinds


async def test_a_card_names_nobody_who_works_in_another_repository(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    played = await begin(workspace, ada, feature="login")
    there = workspace.github.repository("acme/secret", private=True)
    workspace.github.set_permission("acme/secret", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/secret"])
    await workspace.settle()
    moved = workspace.person.transfer_issue(await played.issue("design"), there)
    await workspace.settle()
    await ada.call("claim_task", task=f"acme/secret#{moved.number}")
    workspace.person.comment(await played.issue("parent"), "/priority high")
    await workspace.settle()
    assert "| `design` |  | in progress |  |" in card(await played.issue("parent"))


async def test_an_input_hides_nothing_of_the_parents_text(workspace: Workspace) -> None:
    ada = await workspace.agent("ada")
    played = await begin(workspace, ada, feature="login <!-- | now")
    body = (await played.issue("parent")).body or ""
    assert "| `feature` | login &lt;!-- \\| now |" in body
    assert "<!-- |" not in body


async def test_the_holder_of_an_each_step_gets_its_item(
    workspace: Workspace,
) -> None:
    ada = await workspace.agent("ada")
    played = await begin(workspace, ada, feature="login")
    await played.do(ada, "design")
    claimed = await played.claim(ada, "build-2")
    assert (claimed["step"]["step"], claimed["step"]["item"]) == ("build-2", "page")
    shown = await ada.call("get_workflow", workflow=played.id)
    by = {each["step"]: each.get("holder") for each in shown["workflow"]["steps"]}
    assert (by["design"], by["build-1"], by["build-2"]) == ("ada", None, "ada")
