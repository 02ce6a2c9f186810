"""Another App copies a marker of ours: its texts stay its own."""

from bot.comments import authorship, history, markers
from bot.operations.github.targets import on_issue
from fixtures.github import Issue, Person
from store.engine.transaction import Tx
from store.mirror import mirror_rows
from tests.support.story import Town


def other_app(town: Town) -> Person:
    account = town.github.world.new_account("copycat[bot]", "Bot")
    town.github.set_permission("acme/rocket", account.login, "write")
    return Person(town.github.world, account)


async def comment_of_an_agent(town: Town, issue: Issue) -> str:
    """Its text on GitHub, which begins with the marker."""
    agent = await town.agent("scout")
    await agent.call("github_comment_issue", issue=town.name(issue), body="Mine")
    await town.settle()
    (comment,) = [each for each in issue.comments if each.body.endswith("Mine")]
    return comment.body


async def test_a_comment_of_another_app_with_a_copied_marker_is_not_deleted(town: Town) -> None:
    issue = await town.task()
    copied = await comment_of_an_agent(town, issue)
    comment = other_app(town).comment(issue, copied)
    await town.settle()
    assert not comment.deleted
    assert [each for each in town.github.requests if each.method == "DELETE"] == []


async def test_an_issue_of_another_app_does_not_become_the_task_whose_marker_it_copied(
    town: Town,
) -> None:
    agent = await town.agent("scout")
    await comment_of_an_agent(town, await town.task())
    made = await agent.call("create_task", repository="acme/rocket", title="Ours")
    key = town.dispatcher.shared.keys
    copied = markers.write(key, "task", made["task"]["id"])
    stolen = other_app(town).open_issue(town.repository, "Not ours", copied)
    while await town.heard():
        pass
    task = (await agent.call("get_task", task=made["task"]["id"]))["task"]
    assert task["number"] is None
    await town.settle()
    task = (await agent.call("get_task", task=made["task"]["id"]))["task"]
    assert task["number"] not in (None, stolen.number)


async def test_an_agent_may_approve_the_pull_request_of_another_app(town: Town) -> None:
    """Of our own App's pull requests GitHub takes no verdict of our App."""
    copied = await comment_of_an_agent(town, await town.task())
    town.person.push(town.repository, "theirs", {"a.py": "1\n"}, base="main")
    pull = other_app(town).open_pull(town.repository, title="T", head="theirs", body=copied)
    await town.settle()
    agent = await town.agent("critic")
    name = f"acme/rocket#{pull.number}"
    await agent.call("github_review_pr", pull_request=name, event="APPROVE")
    await town.settle()
    assert [each.state for each in pull.reviews] == ["approved"]


async def test_who_copies_a_marker_still_counts_as_somebody_else_in_a_conversation(
    town: Town,
) -> None:
    issue = await town.task()
    copied = await comment_of_an_agent(town, issue)
    other_app(town).comment(issue, copied)
    town.person.comment(issue, copied)
    await town.settle()

    async def parties(tx: Tx) -> list[str]:
        i = town.installation.id
        where = await mirror_rows.repository_by_id(tx, i, town.repository.id)
        assert where is not None
        target = on_issue(where, issue.number)
        return await history.parties(tx, i, where, issue.number, target)

    assert sorted(await town.store.read(parties)) == ["", "copycat[bot]", "scout"]


async def test_the_first_answer_of_github_says_which_bot_is_ours(town: Town) -> None:
    await comment_of_an_agent(town, await town.task())
    known = await town.store.read(authorship.bot_id)
    assert known == town.github.app.bot.id
