"""Another App copies a marker of ours: its texts stay its own."""

from bot.comments import authorship, history, markers
from bot.operations.github.targets import on_issue
from fixtures.github import Issue, Person
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


def other_app(workspace: Workspace) -> Person:
    account = workspace.github.world.new_account("copycat[bot]", "Bot")
    workspace.github.set_permission("acme/rocket", account.login, "write")
    return Person(workspace.github.world, account)


async def comment_of_an_agent(workspace: Workspace, issue: Issue) -> str:
    """Its text on GitHub, which begins with the marker."""
    agent = await workspace.agent("scout")
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="Mine")
    await workspace.settle()
    (comment,) = [each for each in issue.comments if each.body.endswith("Mine")]
    return comment.body


@ON_SQLITE
async def test_a_comment_of_another_app_with_a_copied_marker_is_not_deleted(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    copied = await comment_of_an_agent(workspace, issue)
    comment = other_app(workspace).comment(issue, copied)
    await workspace.settle()
    assert not comment.deleted
    assert [each for each in workspace.github.requests if each.method == "DELETE"] == []


async def test_an_issue_of_another_app_does_not_become_the_task_whose_marker_it_copied(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    await comment_of_an_agent(workspace, await workspace.task())
    made = await agent.call("create_task", repository="acme/rocket", title="Ours")
    key = workspace.dispatcher.shared.keys
    copied = markers.write(key, "task", made["task"]["id"])
    stolen = other_app(workspace).open_issue(workspace.repository, "Not ours", copied)
    while await workspace.process_delivery():
        pass
    task = (await agent.call("get_task", task=made["task"]["id"]))["task"]
    assert task["number"] is None
    await workspace.settle()
    task = (await agent.call("get_task", task=made["task"]["id"]))["task"]
    assert task["number"] not in (None, stolen.number)


async def test_an_agent_may_approve_the_pull_request_of_another_app(workspace: Workspace) -> None:
    """Of our own App's pull requests GitHub takes no verdict of our App."""
    copied = await comment_of_an_agent(workspace, await workspace.task())
    workspace.person.push(workspace.repository, "theirs", {"a.py": "1\n"}, base="main")
    pull = other_app(workspace).open_pull(
        workspace.repository, title="T", head="theirs", body=copied
    )
    await workspace.settle()
    agent = await workspace.agent("critic")
    name = f"acme/rocket#{pull.number}"
    approval = {"event": "APPROVE", "sha": pull.head_sha}
    await agent.write("github_review_pr", pull_request=name, **approval)
    await workspace.settle()
    assert [each.state for each in pull.reviews] == ["approved"]


@ON_SQLITE
async def test_who_copies_a_marker_still_counts_as_somebody_else_in_a_conversation(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    copied = await comment_of_an_agent(workspace, issue)
    other_app(workspace).comment(issue, copied)
    workspace.person.comment(issue, copied)
    await workspace.settle()

    async def parties(tx: Tx) -> list[str]:
        i = workspace.installation.id
        where = await stored_repositories.repository_by_id(tx, i, workspace.repository.id)
        assert where is not None
        target = on_issue(where, issue.number)
        return await history.parties(tx, i, where, issue.number, target)

    assert sorted(await workspace.store.read(parties)) == ["", "copycat[bot]", "scout"]


async def test_the_first_answer_of_github_says_which_bot_is_ours(workspace: Workspace) -> None:
    await comment_of_an_agent(workspace, await workspace.task())
    known = await workspace.store.read(authorship.bot_id)
    assert known == workspace.github.app.bot.id
