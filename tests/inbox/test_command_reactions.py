"""Commands are acknowledged within two seconds, with as few writes as possible."""

import pytest

from fixtures.github import Comment, Issue, Person
from fixtures.github.state import Reaction
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

SOON_S = 2


def contents(reactions: list[Reaction]) -> list[str]:
    return [each.content for each in reactions]


def by_hubbub(issue: Issue) -> list[str]:
    """The replies to commands, without their hidden marker."""
    found = [each.body for each in issue.comments if each.body.startswith("<!-- hubbub:")]
    return [each.partition("\n")[2] for each in found if "**Hubbub** ·" not in each]


def mutations(workspace: Workspace) -> int:
    return sum(
        each.method != "GET" and "access_tokens" not in each.path
        for each in workspace.github.requests
    )


async def reacted_after(workspace: Workspace, comment: Comment) -> float:
    """Work until the comment has a reaction. Return how many seconds GitHub's clock went on."""
    began = workspace.clock.at
    for _ in range(200):
        if comment.reactions:
            return (workspace.clock.at - began) / 1_000_000
        if not await workspace.process_delivery():
            wait = await workspace.sender.step(workspace.installation.id)
            if wait is None:
                assert await workspace._wait_for_due(), "nothing is left to do"
            workspace.clock.forward(wait or 0)
    raise AssertionError("no reaction came")


@pytest.mark.parametrize("command", ["/hold", "/status", "/priority soon", "/help", "/hubbub boom"])
@ON_SQLITE
async def test_a_command_has_one_reaction_within_two_seconds(
    workspace: Workspace, command: str
) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, command)
    assert await reacted_after(workspace, comment) <= SOON_S
    await workspace.settle()
    assert len(comment.reactions) == 1


async def test_the_answers_to_all_commands_of_a_comment_go_out_in_one_request(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/agents")
    await workspace.settle()
    before = mutations(workspace)
    workspace.person.comment(issue, "/claim")
    await workspace.settle()
    # The reaction, and the card that the claim makes.
    assert mutations(workspace) - before == 1
    before = mutations(workspace)
    workspace.person.comment(issue, "/why\n/status")
    await workspace.settle()
    # The reaction, and the reply.
    assert mutations(workspace) - before == 1


async def test_commands_of_many_people_are_acknowledged_although_replies_wait(
    workspace: Workspace,
) -> None:
    """Comments notify people, so GitHub wants three seconds between them."""
    issue = await workspace.task()
    workspace.person.comment(issue, "/agents")
    await workspace.settle()
    for _ in range(6):
        comment = workspace.person.comment(issue, "/status")
        assert await reacted_after(workspace, comment) <= SOON_S
    await workspace.settle()
    assert len(by_hubbub(issue)) == 7


async def test_a_command_is_acknowledged_before_what_agents_have_in_the_queue(
    workspace: Workspace,
) -> None:
    issue, other = await workspace.task(), await workspace.task("Another")
    workspace.person.comment(issue, "/agents")
    await workspace.settle()
    agent = await workspace.agent("scout")
    for n in range(20):
        await agent.call("github_comment_issue", issue=workspace.name(other), body=f"Note {n}")
    comment = workspace.person.comment(issue, "/hold")
    assert await reacted_after(workspace, comment) <= SOON_S
    assert len(other.comments) < 5


async def newcomer_whose_permission_takes_long(workspace: Workspace) -> Person:
    newcomer = workspace.github.person("newbie", permissions={"acme/rocket": "write"})
    workspace.github.fault("GET", r".*/collaborators/newbie/permission", "500", times=2)
    return newcomer


async def test_a_command_whose_permission_takes_long_gets_eyes_until_it_is_done(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    newcomer = await newcomer_whose_permission_takes_long(workspace)
    comment = newcomer.comment(issue, "/hold")
    assert await reacted_after(workspace, comment) <= SOON_S
    assert contents(comment.reactions) == ["eyes"]
    await workspace.settle()
    assert contents(comment.reactions) == ["+1"]
    kinds = await workspace.rows(
        "SELECT kind FROM writes WHERE installation_id = :i AND state = 'sent' AND kind <> 'card' "
        "ORDER BY seq"
    )
    assert [row["kind"] for row in kinds] == ["reaction", "reaction", "reaction_removal"]


async def test_a_command_behind_one_that_waits_gets_eyes_too(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/agents")
    await workspace.settle()
    newcomer = await newcomer_whose_permission_takes_long(workspace)
    first = newcomer.comment(issue, "/hold")
    workspace.clock.forward(1)
    await reacted_after(workspace, first)
    second = workspace.person.comment(issue, "/resume")
    assert await reacted_after(workspace, second) <= SOON_S
    assert contents(second.reactions) == ["eyes"]
    await workspace.settle()
    assert (contents(first.reactions), contents(second.reactions)) == (["+1"], ["+1"])


@ON_SQLITE
async def test_a_withdrawn_command_loses_its_eyes(workspace: Workspace) -> None:
    issue = await workspace.task()
    newcomer = await newcomer_whose_permission_takes_long(workspace)
    comment = newcomer.comment(issue, "/hold")
    await reacted_after(workspace, comment)
    workspace.clock.forward(1)
    newcomer.edit_comment(comment, "Never mind.")
    await workspace.settle()
    assert contents(comment.reactions) == []
    assert not any(row["held"] for row in await workspace.rows("SELECT held FROM tasks"))


@ON_SQLITE
async def test_an_issue_that_begins_with_a_command_whose_author_is_not_known_gets_eyes(
    workspace: Workspace,
) -> None:
    newcomer = await newcomer_whose_permission_takes_long(workspace)
    issue = newcomer.open_issue(workspace.repository, "Mine", "/status", labels=["agent-task"])
    for _ in range(6):
        while await workspace.process_delivery():
            pass
        wait = await workspace.sender.step(workspace.installation.id)
        workspace.clock.forward(wait or 1)
        if issue.reactions:
            break
    assert contents(issue.reactions) == ["eyes"]
    await workspace.settle()
    assert contents(issue.reactions) == ["+1"]


async def test_more_commands_by_an_edit_change_the_reply_in_place(workspace: Workspace) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, "/status")
    await workspace.settle()
    workspace.clock.forward(60)
    workspace.person.edit_comment(comment, "/priority soon\n/status\n/why")
    await workspace.settle()
    (reply,) = by_hubbub(issue)
    first, second, third = reply.split("\n\n")
    assert first == "This task is **waiting for an agent**. Its priority is medium."
    assert second.startswith("@octocat, Hubbub did not run `/priority soon`")
    assert third.startswith(f"You can claim #{issue.number}")


@ON_SQLITE
async def test_an_answer_given_again_replaces_the_older_one_in_the_reply(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, "/status")
    await workspace.settle()
    workspace.clock.forward(60)
    workspace.person.edit_comment(comment, "/priority high")
    await workspace.settle()
    workspace.clock.forward(60)
    workspace.person.edit_comment(comment, "/priority high\n/status")
    await workspace.settle()
    assert by_hubbub(issue) == ["This task is **waiting for an agent**. Its priority is high."]
    await workspace.time_passes(120)
    assert [each.minimized for each in issue.comments] == [None] * len(issue.comments)


async def test_a_command_that_waited_is_answered_in_the_reply_that_stands(
    workspace: Workspace,
) -> None:
    """The first author's permission is known, so the edit by another one waits longer."""
    issue = await workspace.task()
    comment = workspace.person.comment(issue, "/status")
    await workspace.settle()
    workspace.clock.forward(60)
    newcomer = await newcomer_whose_permission_takes_long(workspace)
    newcomer.edit_comment(comment, "/status\n/priority soon")
    await workspace.settle()
    (reply,) = by_hubbub(issue)
    assert reply.startswith("This task is **waiting for an agent**.")
    assert "@newbie, Hubbub did not run `/priority soon`" in reply


@pytest.mark.parametrize("known", [True, False], ids=["webhook came", "webhook lost"])
async def test_a_reply_that_a_person_deleted_is_written_again_as_a_new_one(
    workspace: Workspace, *, known: bool
) -> None:
    issue = await workspace.task()
    comment = workspace.person.comment(issue, "/status")
    await workspace.settle()
    if not known:
        workspace.github.hold_deliveries()
    workspace.person.delete_comment(issue.comments[-1])
    if not known:
        workspace.github.held_deliveries.clear()
        workspace.github.release_deliveries()
    await workspace.settle()
    assert by_hubbub(issue) == []
    workspace.clock.forward(60)
    workspace.person.edit_comment(comment, "/status\n/why")
    await workspace.settle()
    (reply,) = by_hubbub(issue)
    assert "You can claim" in reply
    workspace.clock.forward(60)
    workspace.person.edit_comment(comment, "/status\n/why\n/agents")
    await workspace.settle()
    (reply,) = by_hubbub(issue)
    assert "No agent has registered yet." in reply


@ON_SQLITE
async def test_a_fair_answer_to_a_review_is_a_reaction_to_the_review(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.write(
        "github_create_pr", task=workspace.name(issue), fence=fence, head="fix", title="Mend"
    )
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    said = len(pull.issue.comments)
    newcomer = await newcomer_whose_permission_takes_long(workspace)
    newcomer.review(pull, "commented", "Wait a moment.\n\n/hold")
    await workspace.settle()
    assert contents(pull.reviews[-1].reactions) == ["+1"]
    assert len(pull.issue.comments) == said
