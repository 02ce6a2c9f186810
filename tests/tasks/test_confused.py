"""What confused agents do twice is done once, and a cancelled task's pull request is flagged."""

import pytest

from bot.tasks import title_words
from fixtures.github import Comment, Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace
from tests.tasks.test_ownership import claim, open_pull

R = {"repository": "acme/rocket"}
DAY = 24 * 3600
FLAG = "The task of this pull request, #1, was cancelled. Close it, or comment `/retry` on #1."


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Fix the parser", "fix: the Parser!", True),
        ("Add tests for the parser", "Parser: add tests", True),
        ("Port chapter 1", "Port chapter 2", False),
        ("Bump version to 1.7.0", "Bump version to 1.8.0", False),
        ("Support C++", "Support C#", False),
        ("Support C++", "Support C", False),
        ("Fix the parser", "Fix the parser of dates", False),
        ("直す", "直す。", True),
        ("To the", "To", False),
        ("?!", "!?", False),
    ],
)
def test_titles_are_alike_if_they_have_the_same_words(one: str, other: str, alike: bool) -> None:  # noqa: FBT001
    assert (title_words.of(one) == title_words.of(other)) is alike


@ON_SQLITE
async def test_a_like_task_within_a_day_is_refused_unless_it_is_meant(workspace: Workspace) -> None:
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    first = (await agent.call("create_task", **R, title="Fix the parser"))["task"]
    await workspace.settle()
    again = {**R, "title": "parser: fix"}
    refused = await other.refusal("create_task", **again)
    assert (refused.code, refused.details) == (
        "duplicate_task",
        {"task": "acme/rocket#1", "state": "pending"},
    )
    plan = {**R, "tasks": [{"id": "a", "title": "New"}, {"id": "b", "title": "Fix a parser"}]}
    assert (await other.refusal("create_tasks", **plan)).code == "duplicate_task"
    await other.call("create_task", **again, duplicate_ok=True)
    lead = await workspace.agent("lead", "tech-lead")
    for each in (await lead.call("list_tasks"))["tasks"]:
        await lead.call("change_task", task=each["task"], state="cancelled")
    await other.call("create_task", **again)
    assert first["state"] == "pending"
    workspace.clock.forward(DAY + 1)
    await other.call("create_task", **again)


async def test_the_same_comment_twice_in_a_row_is_one(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    mine = {"issue": workspace.name(issue), "body": "Done, @stranger."}
    first = await agent.write("github_comment_issue", **mine)
    again = await agent.write("github_comment_issue", **mine)
    assert (again["write_id"], again["cleaned"]) == (
        first["write_id"],
        ["your last comment here is the same, so there is no second one"],
    )
    await workspace.settle()
    again = await agent.write("github_comment_issue", **mine)
    assert (again["write_id"], again["state"]) == (first["write_id"], "sent")
    assert len([each for each in issue.comments if "Done" in each.body]) == 1


async def comment(workspace: Workspace, agent: Agent, issue: Issue) -> str:
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="Done.")
    await workspace.settle()
    return str(queued["write_id"])


async def test_the_same_comment_later_or_after_somebody_elses_is_a_new_one(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    ids = [await comment(workspace, agent, issue)]
    workspace.clock.forward(5)
    workspace.person.comment(issue, "Is it done?")
    await workspace.settle()
    ids.append(await comment(workspace, agent, issue))
    mine = issue.comments[-1]
    await agent.call(
        "github_comment_issue", issue=workspace.name(issue), action="delete", comment_id=mine.id
    )
    await workspace.settle()
    ids.append(await comment(workspace, agent, issue))
    workspace.clock.forward(3601)
    ids.append(await comment(workspace, agent, issue))
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("how", ["command", "close"])
async def test_the_pull_request_of_a_cancelled_task_is_flagged_until_its_retry(
    workspace: Workspace, how: str
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await open_pull(workspace, agent, await claim(workspace, agent, issue), "fix")
    (pull,) = workspace.repository.pulls.values()
    for _ in range(2):
        if how == "command":
            workspace.person.comment(issue, "/cancel")
        else:
            workspace.person.close(issue, "not_planned")
        await workspace.settle()
        why = (await agent.call("explain_task", task=workspace.name(issue)))["text"]
        assert f"Its pull request #{pull.issue.number} is still open." in why
        assert [each.minimized for each in flags(pull.issue)][-1] is None
        workspace.person.comment(issue, "/retry")
        await workspace.settle()
    assert [each.minimized for each in flags(pull.issue)] == ["outdated", "outdated"]
    assert pull.issue.state == "open"


@ON_SQLITE
async def test_a_flag_is_outdated_once_the_pull_request_is_merged(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await open_pull(workspace, agent, await claim(workspace, agent, issue), "fix")
    (pull,) = workspace.repository.pulls.values()
    workspace.person.comment(issue, "/cancel")
    await workspace.settle()
    assert [each.minimized for each in flags(pull.issue)] == [None]
    workspace.person.merge(pull)
    await workspace.settle()
    assert [each.minimized for each in flags(pull.issue)] == ["outdated"]


@ON_SQLITE
async def test_a_flag_that_waits_when_the_task_is_retried_is_not_posted(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    await open_pull(workspace, agent, await claim(workspace, agent, issue), "fix")
    (pull,) = workspace.repository.pulls.values()
    for state in ("cancelled", "pending"):
        await lead.call("change_task", task=workspace.name(issue), state=state)
    await workspace.settle()
    assert flags(pull.issue) == []


def flags(issue: Issue) -> list[Comment]:
    return [each for each in issue.comments if FLAG in each.body]
