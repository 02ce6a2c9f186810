"""On an issue the bot names no issue of another repository: not every reader may see that one."""

from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


def said_on(issue: Issue) -> str:
    """Everything that the bot wrote on the issue."""
    return "\n".join(each.body for each in issue.comments if "hubbub" in each.user.login)


async def blocked_task(workspace: Workspace) -> Issue:
    """A task that a confidential issue of another repository blocks."""
    secret = workspace.github.repository("acme/secret", private=True)
    workspace.github.add_repositories(workspace.installation, ["acme/secret"])
    workspace.github.set_permission("acme/secret", "octocat", "admin")
    task = await workspace.task("Mend it")
    workspace.person.block(task, workspace.person.open_issue(secret, "Fire the cook"))
    await workspace.settle()
    return task


@ON_SQLITE
async def test_cards_and_replies_name_no_blocker_of_another_repository(
    workspace: Workspace,
) -> None:
    task = await blocked_task(workspace)
    for command in ("/claim", "/why", "/status", "/priority high"):
        workspace.person.comment(task, command)
        await workspace.settle()
    assert "in another repository" in said_on(task)
    assert "out of reach" in said_on(task)
    assert "secret" not in said_on(task)
    assert "cook" not in said_on(task)


@ON_SQLITE
async def test_a_hold_for_a_refused_relation_names_no_issue_of_another_repository(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    await blocked_task(workspace)
    workspace.github.fault("POST", "/dependencies/blocked_by$", "422", times=9)
    made = await lead.call(
        "create_task", repository="acme/rocket", title="Sail", blocked_by=["acme/secret#1"]
    )
    await workspace.settle()
    held = (await lead.call("get_task", task=made["task"]["id"]))["task"]
    assert "its relation to an issue in another repository could not be made" in held["held_why"]
    (issue,) = (each for each in workspace.repository.issues.values() if each.title == "Sail")
    assert "secret" not in said_on(issue)
