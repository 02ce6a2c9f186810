"""A question to people: the comment mentions them once, and the card has it on top."""

from bot.comments.limits import HOUR
from fixtures.github import Issue
from tests.comments.test_card_boxes import card_of, somebody
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


async def ask(workspace: Workspace, issue: Issue) -> None:
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    await agent.call(
        "update_task_status",
        task=workspace.name(issue),
        fence=fence,
        status="in_progress",
        question="Tabs or spaces?",
    )
    await workspace.settle()


def questions(issue: Issue) -> list[str]:
    return [each.body for each in issue.comments if "**Question" in each.body]


async def test_a_question_mentions_the_author_the_assignee_and_who_acted_last(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    ann, bob = somebody(workspace, "ann", "write"), somebody(workspace, "bob", "write")
    workspace.person.assign(issue, "ann")
    bob.comment(issue, "/hold")
    bob.comment(issue, "/resume")
    ann.comment(issue, "Good luck")
    await workspace.settle()
    await ask(workspace, issue)
    (question,) = questions(issue)
    assert "**Question for @octocat, @ann and @bob.** The agent is waiting." in question
    head, top, quoted, *_ = card_of(issue).body.partition("\n")[2].split("\n\n")
    assert head == "**Hubbub** · in progress"
    assert top == (
        "**`scout` waits for an answer** in a comment here. It asked `@octocat`, `@ann`, `@bob`."
    )
    assert quoted == "> Tabs or spaces?"
    assert "**Next:** somebody answers in a comment, and `scout` continues." in card_of(issue).body
    workspace.person.comment(issue, "Spaces")
    await workspace.settle()
    assert "waits for an answer" not in card_of(issue).body
    assert "`@octocat` answered the question." in card_of(issue).body


async def put_off_comments(workspace: Workspace, hours: int) -> None:
    """Let comments wait in the outbox, as while GitHub's limits are short."""
    at = workspace.clock() + hours * HOUR
    await workspace.store.write(
        lambda tx: tx.run(
            "UPDATE writes SET not_before = :at WHERE installation_id = :i AND kind = 'comment' "
            "AND state = 'queued'",
            at=at,
            i=workspace.installation.id,
        )
    )


async def test_an_answer_to_what_the_card_shows_counts_before_the_question_is_posted(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    mine = {"task": workspace.name(issue), "fence": fence, "status": "in_progress"}
    await agent.call("update_task_status", **mine, question="Tabs or spaces?")
    await put_off_comments(workspace, hours=2)
    await workspace.settle()
    assert "waits for an answer" in card_of(issue).body
    workspace.person.comment(issue, "Spaces")
    await workspace.settle()
    assert "waits for an answer" not in card_of(issue).body
    assert "`@octocat` answered the question." in card_of(issue).body
    workspace.clock.forward(3 * 3600)
    await workspace.settle()
    assert questions(issue) == []


@ON_SQLITE
async def test_a_stranger_is_mentioned_only_if_there_is_nobody_else(workspace: Workspace) -> None:
    workspace.person.publicize(workspace.repository)
    stranger = workspace.github.person("stranger")
    issue = stranger.open_issue(workspace.repository, "It leaks")
    other = stranger.open_issue(workspace.repository, "It still leaks")
    workspace.person.add_label(issue, "agent-task")
    workspace.person.add_label(other, "agent-task")
    workspace.person.assign(other, "octocat")
    await workspace.settle()
    await ask(workspace, issue)
    await ask(workspace, other)
    assert "**Question for @stranger.**" in questions(issue)[0]
    assert "**Question for @octocat.**" in questions(other)[0]
