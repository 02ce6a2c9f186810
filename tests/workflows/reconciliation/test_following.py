"""People edit the graph of a workflow on GitHub, and the workflow follows."""

from fixtures.github import Issue, Repository
from tests.support.story import Agent, Workspace
from tests.support.workflows import Played, start

LINE = """
steps:
  - {id: design, title: Design it, body: Think.}
  - {id: build, title: Build it, body: Work., needs: [design]}
  - {id: ship, title: Ship it, body: Work., needs: [build]}
"""


async def needs(flow: Played) -> set[tuple[str, str]]:
    """What the steps wait for."""
    q = "SELECT * FROM workflow_needs WHERE installation_id = :i AND workflow_id = :w"
    found = await flow.workspace.rows(f"{q} AND state = 'present'", w=flow.id)
    return {(each["step"], each["needs"]) for each in found}


async def kinds(flow: Played) -> list[str]:
    """What happened to the workflow after its steps were made."""
    q = "SELECT kind FROM events WHERE installation_id = :i AND subject = :w ORDER BY seq"
    return [
        each["kind"].removeprefix("workflow.") for each in await flow.workspace.rows(q, w=flow.id)
    ]


async def finish(flow: Played, ada: Agent, *keys: str) -> None:
    for key in keys:
        await flow.do(ada, key)


async def add(flow: Played, title: str = "Write the docs", *labels: str) -> Issue:
    """A person puts a new issue under the parent."""
    workspace = flow.workspace
    issue = workspace.person.open_issue(workspace.repository, title, labels=list(labels))
    workspace.person.add_sub_issue(await flow.issue("parent"), issue)
    await workspace.settle()
    return issue


async def another_repository(workspace: Workspace) -> Repository:
    """One that the App covers too."""
    there = workspace.github.repository("acme/engine", private=True)
    workspace.github.set_permission("acme/engine", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/engine"])
    await workspace.settle()
    return there


async def test_relations_of_our_own_change_nothing(workspace: Workspace) -> None:
    flow = await start(workspace, LINE)
    before = await needs(flow)
    assert before == {("build", "design"), ("ship", "build")}
    for each in [*workspace.github.deliveries]:
        workspace.github.redeliver(each)
    await workspace.settle()
    assert (await needs(flow), await kinds(flow)) == (before, ["step_opened"])


async def test_a_blocker_that_a_person_adds_or_removes_is_a_need_of_the_step(
    workspace: Workspace,
) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    design, ship = await flow.issue("design"), await flow.issue("ship")
    workspace.person.block(ship, design)
    workspace.person.unblock(ship, await flow.issue("build"))
    workspace.person.unblock(await flow.issue("build"), design)
    await workspace.settle()
    assert await needs(flow) == {("ship", "design")}
    assert await flow.states() == {"design": "open", "build": "open", "ship": "waiting"}
    await finish(flow, ada, "build", "design", "ship")
    assert (await flow.workflow())["state"] == "completed"


async def test_an_issue_that_a_person_puts_under_the_parent_is_a_step(
    workspace: Workspace,
) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    issue = await add(flow)
    key = f"issue-{issue.number}"
    assert (await flow.states())[key] == "open"
    workspace.person.block(issue, await flow.issue("ship"))
    await workspace.settle()
    assert (key, "ship") in await needs(flow)
    await finish(flow, ada, "design", "build", "ship")
    assert (await flow.workflow())["state"] == "running"
    await finish(flow, ada, key)
    assert (await flow.workflow())["state"] == "completed"
    assert (await flow.issue("parent")).state == "closed"
    assert "step_added" in await kinds(flow)


async def test_a_closed_issue_under_the_parent_is_no_step(workspace: Workspace) -> None:
    flow = await start(workspace, LINE)
    issue = workspace.person.open_issue(workspace.repository, "Done before", labels=["agent-task"])
    workspace.person.close(issue)
    workspace.person.add_sub_issue(await flow.issue("parent"), issue)
    await workspace.settle()
    assert list(await flow.states()) == ["design", "build", "ship"]


async def test_a_step_that_is_taken_out_keeps_nobody_waiting_in_the_workflow(
    workspace: Workspace,
) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    design = await flow.issue("design")
    workspace.person.unblock(await flow.issue("build"), design)
    workspace.person.remove_sub_issue(design)
    await workspace.settle()
    assert await flow.states() == {"design": "removed", "build": "open", "ship": "waiting"}
    assert await needs(flow) == {("ship", "build")}
    await finish(flow, ada, "build", "ship")
    assert (await flow.workflow())["state"] == "completed"
    assert design.state == "open"


async def test_a_step_that_is_put_back_goes_on(workspace: Workspace) -> None:
    flow = await start(workspace, LINE)
    build, parent = await flow.issue("build"), await flow.issue("parent")
    workspace.person.remove_sub_issue(build)
    await workspace.settle()
    assert (await flow.states())["build"] == "removed"
    workspace.person.add_sub_issue(parent, build)
    await workspace.settle()
    assert await flow.states() == {"design": "open", "build": "waiting", "ship": "open"}
    assert await needs(flow) == {("build", "design"), ("ship", "build")}


async def test_a_step_that_moves_under_another_parent_is_a_step_there(
    workspace: Workspace,
) -> None:
    flow = await start(workspace, LINE)
    other = await start(workspace, LINE)
    ship = await flow.issue("ship")
    workspace.person.add_sub_issue(await other.issue("parent"), ship, replace=True)
    await workspace.settle()
    assert list(await other.states()) == ["design", "build", "ship", f"issue-{ship.number}"]
    assert set(await flow.states()) - {"ship"} == {"design", "build"}
    assert (await flow.states()).get("ship") in (None, "removed")


async def test_a_step_that_moves_to_another_repository_of_the_app_stays_a_step(
    workspace: Workspace,
) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    there = await another_repository(workspace)
    moved = workspace.person.transfer_issue(await flow.issue("build"), there)
    await workspace.settle()
    assert await flow.states() == {"design": "open", "build": "waiting", "ship": "waiting"}
    assert await needs(flow) == {("build", "design"), ("ship", "build")}
    await finish(flow, ada, "design")
    assert (await flow.task("build"))["number"] == moved.number


async def test_a_deleted_step_counts_as_skipped(workspace: Workspace) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    workspace.person.delete_issue(await flow.issue("build"))
    await workspace.settle()
    assert (await flow.states())["build"] == "cancelled"
    await finish(flow, ada, "design", "ship")
    assert (await flow.workflow())["state"] == "completed"


async def test_after_the_end_nothing_is_added(workspace: Workspace) -> None:
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    await finish(flow, ada, "design", "build", "ship")
    await add(flow, "Too late", "agent-task")
    assert list(await flow.states()) == ["design", "build", "ship"]
    assert (await flow.workflow())["state"] == "completed"


async def test_a_parent_that_blocks_its_own_step_keeps_nobody_waiting(workspace: Workspace) -> None:
    """The parent ends when its steps have, so the step could never begin."""
    flow, ada = await start(workspace, LINE), await workspace.agent("ada")
    workspace.person.block(await flow.issue("ship"), await flow.issue("parent"))
    await workspace.settle()
    await finish(flow, ada, "design", "build", "ship")
    assert (await flow.workflow())["state"] == "completed"
