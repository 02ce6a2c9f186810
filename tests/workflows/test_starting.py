"""Starting a workflow: the issues, their relations, the rows, and what is refused."""

from tests.support.story import Workspace
from tests.support.workflows import Played, define

R = "acme/rocket"


async def test_a_workflow_becomes_an_issue_with_its_steps_and_what_they_wait_for(
    workspace: Workspace,
) -> None:
    await define(workspace)
    ada = await workspace.agent("ada")
    made = await ada.call(
        "start_workflow", name="feature", repository=R, inputs={"feature": "login"}
    )
    assert [(each["step"], each.get("waits_for", [])) for each in made["steps"]] == [
        ("design", []),
        ("build-1", ["design"]),
        ("build-2", ["design"]),
        ("release", ["build-1", "build-2"]),
    ]
    await workspace.settle()
    found = {each.title: each for each in workspace.repository.issues.values()}
    assert list(found) == [
        "Build a feature: login",
        "Design login",
        "Build api",
        "Build page",
        "Release it",
    ]
    parent = found["Build a feature: login"]
    steps = [each for each in found.values() if each is not parent]
    assert {each.parent for each in steps} == {parent}
    assert found["Build api"].blocked_by == [found["Design login"]]
    assert set(found["Release it"].blocked_by) == {found["Build api"], found["Build page"]}
    assert "| `build-1` | Build api | `design` |" in (parent.body or "")
    shown = (await ada.call("get_workflow", workflow=made["id"]))["workflow"]
    assert (shown["state"], shown["done"], shown["total"]) == ("running", 0, 4)
    assert shown["task"] == workspace.name(parent)
    assert [each["state"] for each in shown["steps"]] == ["ready", *3 * ["waiting"]]
    assert shown["steps"][3]["waits_for"] == ["build-1", "build-2"]
    claimed = await ada.call("claim_task")
    assert claimed["task"]["task"] == workspace.name(found["Design login"])
    assert await Played(workspace, made["id"], "").states() == {
        "design": "open",
        "build-1": "waiting",
        "build-2": "waiting",
        "release": "waiting",
    }
    events = await workspace.rows(
        "SELECT kind, subject FROM events WHERE installation_id = :i AND kind LIKE 'workflow.%' "
        "ORDER BY seq"
    )
    assert [(each["kind"], each["subject"]) for each in events] == [
        ("workflow.started", made["id"]),
        ("workflow.step_opened", made["id"]),
    ]
