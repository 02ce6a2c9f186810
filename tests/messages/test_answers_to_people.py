"""A person asks the agent at work by `/ask`, and its answer is a comment that names both."""

from typing import Any

import pytest

from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


def comments(issue: Issue) -> list[str]:
    """What Hubbub posted, without its hidden markers and the card."""
    found = [each.body for each in issue.comments if each.body.startswith("<!-- hubbub:")]
    return [each.partition("\n")[2] for each in found if "**Hubbub** ·" not in each]


async def asked(workspace: Workspace, text: str = "Why so long?") -> tuple[Issue, Agent, Any]:
    """A person asks the holder of a task. The issue, the agent, and the message that it gets."""
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    await agent.call("claim_task", task=workspace.name(issue))
    workspace.person.comment(issue, f"/ask {text}")
    await workspace.settle()
    (message,) = (await agent.call("get_messages"))["messages"]
    return issue, agent, message


async def test_the_answer_to_ask_is_a_comment_that_names_the_agent_and_mentions_the_person(
    workspace: Workspace,
) -> None:
    issue, agent, message = await asked(workspace)
    assert message["sender"] == "@octocat"
    assert message["hint"] == (
        f"send_message with `to` @octocat and `reply_to` {message['id']} posts your answer where "
        "@octocat asked"
    )
    sent = await agent.call(
        "send_message", to="@octocat", reply_to=message["id"], body="The tests take an hour."
    )
    assert [each["kind"] for each in sent["writes"]] == ["reply"]
    await workspace.settle()
    assert comments(issue) == [
        (
            "<sub>`scout` via Hubbub</sub>\n\n@octocat, to your question:\n\n> Why so long?\n\n"
            "The tests take an hour."
        )
    ]


async def test_a_further_answer_is_added_to_the_comment_and_mentions_nobody_again(
    workspace: Workspace,
) -> None:
    issue, agent, message = await asked(workspace)
    to: dict[str, Any] = {"to": "@octocat", "reply_to": message["id"]}
    await agent.call("send_message", **to, body="An hour more.")
    await workspace.settle()
    await agent.call("send_message", **to, body="It is done. @stranger knows.\n/close")
    await workspace.settle()
    (said,) = comments(issue)
    assert said.count("@octocat") == 1
    # The agent's text is cleaned as in every comment.
    assert said.endswith("An hour more.\n\nIt is done. @\u2060stranger knows.\n&#47;close")


@ON_SQLITE
async def test_two_questions_get_two_comments(workspace: Workspace) -> None:
    issue, agent, first = await asked(workspace)
    workspace.person.comment(issue, "/ask And the docs?")
    await workspace.settle()
    (second,) = (await agent.call("get_messages"))["messages"]
    for each in (first, second):
        await agent.call("send_message", to="@octocat", reply_to=each["id"], body=each["body"])
    await workspace.settle()
    assert len(comments(issue)) == 2


async def test_the_answer_goes_where_the_person_asked(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.write(
        "github_create_pr", task=workspace.name(issue), fence=fence, head="fix", title="Mend"
    )
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    workspace.person.review_comment(pull, "a.py", 1, "/ask Why 1?")
    await workspace.settle()
    (message,) = (await agent.call("get_messages"))["messages"]
    await agent.call("send_message", to="@octocat", reply_to=message["id"], body="Because.")
    await workspace.settle()
    assert "Because." in pull.issue.comments[-1].body
    assert comments(issue) == []


@pytest.mark.parametrize(
    "to", ["@octocat", "@monalisa"], ids=["nobody asked", "another person asked"]
)
@ON_SQLITE
async def test_an_agent_writes_to_a_person_only_in_answer_to_a_question(
    workspace: Workspace, to: str
) -> None:
    _, agent, message = await asked(workspace)
    reply_to = message["id"] if to == "@monalisa" else None
    refused = await agent.refusal("send_message", to=to, reply_to=reply_to, body="Hello")
    assert refused.code == "unknown_message"
    assert refused.message.startswith(f"{to} has not asked you that.")


@ON_SQLITE
async def test_nobody_answers_a_question_that_another_agent_got(workspace: Workspace) -> None:
    issue, _, message = await asked(workspace)
    other = await workspace.agent("other")
    refused = await other.refusal(
        "send_message", to="@octocat", reply_to=message["id"], body="I know."
    )
    await workspace.settle()
    assert (refused.code, comments(issue)) == ("unknown_message", [])


@ON_SQLITE
async def test_the_ceiling_on_comments_holds_for_answers(workspace: Workspace) -> None:
    issue, agent, message = await asked(workspace)
    to: dict[str, Any] = {"to": "@octocat", "reply_to": message["id"]}
    for n in range(30):
        await agent.call("github_comment_issue", issue=workspace.name(issue), body=f"Note {n}")
    refused = await agent.refusal("send_message", **to, body="One more.")
    assert refused.code == "too_many_comments"
    # Nothing was sent, so the thread has only the question.
    thread = await agent.call("get_messages", thread_id=message["thread_id"] or message["id"])
    assert [each["body"] for each in thread["messages"]] == ["Why so long?"]
