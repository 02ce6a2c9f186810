"""A person is GitHub's id. A login may change, and somebody else may take the old one."""

import pytest

from fixtures.github import Issue, Person
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


async def shown(workspace: Workspace, issue: Issue) -> dict[str, str | None]:
    agent = await workspace.agent("reader", "observer")
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    return {"holder": task["holder"], "held_by": task["held_by"]}


@pytest.fixture
async def mona(workspace: Workspace) -> Person:
    return workspace.github.person("mona", permissions={"acme/rocket": "write"})


async def newcomer(workspace: Workspace, role: str | None) -> Person:
    """Mona calls herself lisa from now on, and somebody else takes the login mona."""
    workspace.github.rename_account("mona", "lisa")
    permissions = {"acme/rocket": role} if role else None
    return workspace.github.person("mona", permissions=permissions)


async def test_a_person_keeps_a_task_under_a_new_login_and_may_release_it(
    workspace: Workspace, mona: Person
) -> None:
    issue, other = await workspace.task(), await workspace.task("Another")
    mona.comment(issue, "/claim")
    await workspace.settle()
    workspace.github.rename_account("mona", "lisa")
    mona.comment(other, "/claim")
    await workspace.settle()
    assert (await shown(workspace, issue))["holder"] == "@lisa"
    mona.comment(issue, "/release")
    await workspace.settle()
    assert (await shown(workspace, issue))["holder"] is None
    assert (await shown(workspace, other))["holder"] == "@lisa"


async def test_a_newcomer_under_a_freed_login_inherits_no_task_and_no_hold(
    workspace: Workspace, mona: Person
) -> None:
    issue = await workspace.task()
    mona.comment(issue, "/claim")
    mona.comment(issue, "/hold I think about it")
    await workspace.settle()
    stranger = await newcomer(workspace, "write")
    stranger.comment(issue, "/release")
    stranger.comment(await workspace.task("Another"), "/claim")
    await workspace.settle()
    former = f"@mona (id {mona.id})"
    assert await shown(workspace, issue) == {"holder": former, "held_by": former}
    mona.comment(issue, "/release")
    await workspace.settle()
    assert await shown(workspace, issue) == {"holder": None, "held_by": "@lisa"}


@ON_SQLITE
async def test_a_newcomer_under_a_freed_login_inherits_no_permission_for_five_minutes(
    workspace: Workspace, mona: Person
) -> None:
    issue, other = await workspace.task(), await workspace.task("Another")
    mona.comment(issue, "/claim")
    await workspace.settle()
    stranger = await newcomer(workspace, "read")
    stranger.comment(other, "/claim")
    await workspace.settle()
    assert (await shown(workspace, other))["holder"] is None


@ON_SQLITE
async def test_a_command_does_not_run_with_the_permission_of_who_has_the_login_now(
    workspace: Workspace,
) -> None:
    reader = workspace.github.person("mona", permissions={"acme/rocket": "read"})
    issue = await workspace.task()
    workspace.github.hold_deliveries()
    reader.comment(issue, "/claim")
    await newcomer(workspace, "admin")
    workspace.github.release_deliveries()
    await workspace.settle()
    assert (await shown(workspace, issue))["holder"] is None
    asked = [each for each in workspace.github.requests if each.path.endswith("/mona/permission")]
    assert len(asked) == 1


@ON_SQLITE
async def test_a_holder_is_the_same_in_any_letter_case(workspace: Workspace, mona: Person) -> None:
    issue = await workspace.task()
    mona.comment(issue, "/claim")
    await workspace.settle()
    workspace.github.rename_account("mona", "MonaLisa")
    workspace.github.rename_account("MonaLisa", "MONA")
    mona.comment(issue, "/release")
    await workspace.settle()
    assert (await shown(workspace, issue))["holder"] is None
