"""What people move, rename or switch off under a workflow leaves no half graph."""

from bot.attention import items
from tests.support.story import Workspace
from tests.support.workflows import start

LINE = """
steps:
  - {id: build, title: Build it, body: Work.}
  - {id: ship, title: Ship it, body: Work., needs: [build]}
"""
REFUSED = (
    "GitHub refused it (410): Issues are disabled for this repo. It is turned off, not deleted."
)


async def troubles(workspace: Workspace) -> list[str]:
    i = workspace.installation.id
    found = await workspace.store.read(lambda tx: items.open_items(tx, i))
    return [each.title for each in found]


async def test_a_workflow_goes_along_with_its_parent_to_another_repository(
    workspace: Workspace,
) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    there = workspace.github.repository("acme/engine", private=True)
    workspace.github.set_permission("acme/engine", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/engine"])
    await workspace.settle()
    parent = workspace.person.transfer_issue(await flow.issue("parent"), there)
    await workspace.settle()
    assert await flow.states() == {"build": "open", "ship": "waiting"}
    seen = await ada.call("get_workflow", workflow=flow.id)
    assert seen["workflow"]["task"] == f"acme/engine#{parent.number}"
    await flow.do(ada, "build")
    await flow.do(ada, "ship")
    assert (await flow.workflow())["state"] == "completed"
    assert parent.state == "closed"


async def test_a_workflow_whose_parent_is_gone_is_cancelled(workspace: Workspace) -> None:
    flow = await start(workspace, LINE)
    build = await flow.issue("build")
    workspace.person.delete_issue(await flow.issue("parent"))
    await workspace.settle()
    row = await flow.workflow()
    assert row["state"] == "cancelled"
    assert await flow.states() == {"build": "cancelled", "ship": "cancelled"}
    assert (build.state, build.state_reason) == ("closed", "not_planned")


async def test_a_step_that_leaves_the_reach_of_the_app_counts_as_skipped(
    workspace: Workspace,
) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    elsewhere = workspace.github.repository("acme/secret", private=True)
    workspace.github.set_permission("acme/secret", "octocat", "admin")
    workspace.person.transfer_issue(await flow.issue("build"), elsewhere)
    await workspace.settle()
    assert (await flow.states())["build"] == "cancelled"
    ship = await flow.issue("ship")
    assert ship.state == "open"
    await ada.call("claim_task", task=await flow.name("ship"))


async def test_a_renamed_repository_changes_only_names(workspace: Workspace) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    workspace.person.rename(workspace.repository, "engine")
    await workspace.settle()
    seen = await ada.call("get_workflow", workflow=flow.id)
    assert seen["workflow"]["repository"] == "acme/engine"
    await flow.do(ada, "build")
    await flow.do(ada, "ship")
    assert (await flow.workflow())["state"] == "completed"


async def notes(workspace: Workspace) -> set[str]:
    rows = await workspace.rows("SELECT note FROM tasks WHERE installation_id = :i")
    return {each["note"] for each in rows}


async def test_without_issues_nothing_of_a_new_workflow_is_left(workspace: Workspace) -> None:
    workspace.github.hold_deliveries()
    workspace.person.disable_issues(workspace.repository)
    flow = await start(workspace, LINE)
    assert workspace.repository.issues == {}
    assert await flow.states() == {"build": "failed", "ship": "failed"}
    row = await flow.workflow()
    assert (row["state"], row["why"]) == ("failed", "`build` failed")
    assert len(await troubles(workspace)) == 3
    assert await notes(workspace) == {
        f"It has no issue: {REFUSED} An admin turns it on in the repository's settings."
    }


async def test_issues_that_are_switched_off_in_the_middle_are_said(workspace: Workspace) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    workspace.person.disable_issues(workspace.repository)
    await workspace.settle()
    await flow.do(ada, "build")
    assert (await flow.states())["build"] == "completed"
    assert await troubles(workspace) == [
        f"GitHub refused a write of ada in acme/rocket: “{REFUSED} An admin turns it on in the …”"
    ]
    # GitHub still shows that the closed work blocks the next step, so nobody begins that.
    assert (await ada.refusal("claim_task", task=await flow.name("ship"))).code == "blocked"
    workspace.person.enable_issues(workspace.repository)
    workspace.person.close(await flow.issue("build"))
    await workspace.settle()
    await flow.do(ada, "ship")
    assert (await flow.workflow())["state"] == "completed"
