"""What people read after a command: in their words, once, and only as long as it is true."""

import re

from bot.inbox.command_finder import VERBS
from bot.operations import OPERATIONS
from bot.times import SECOND
from fixtures.github import Comment, Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


def said(issue: Issue) -> list[str]:
    """The replies to commands, without their hidden marker and the card."""
    bodies = [each.body.partition("\n")[2] for each in by_hubbub(issue)]
    return [each for each in bodies if "**Hubbub** ·" not in each]


def by_hubbub(issue: Issue) -> list[Comment]:
    return [each for each in issue.comments if each.body.startswith("<!-- hubbub:")]


async def test_status_and_why_show_priority_hold_and_blockers_by_their_numbers(
    workspace: Workspace,
) -> None:
    issue, blocker = await workspace.task(), await workspace.task("Before it")
    workspace.person.block(issue, blocker)
    workspace.person.comment(issue, "/priority high\n/hold the plan changes")
    await workspace.settle()
    workspace.person.comment(issue, "/status")
    await workspace.settle()
    workspace.person.comment(issue, "/why")
    await workspace.settle()
    status, why = said(issue)
    assert status == (
        "This task is **waiting for other issues**. Its priority is high.\n\n"
        "**On hold** by `@octocat`: `the plan changes`. `/resume` ends the hold.\n\n"
        f"It waits for #{blocker.number}."
    )
    assert why == (
        f"You cannot claim #{issue.number}: @\u2060octocat put it on hold: the plan changes. It "
        f"also waits for #{blocker.number}. What you can do: comment `/resume` to end the hold. "
        "Its priority is high."
    )


async def test_the_wrong_commands_of_one_comment_get_one_reply(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/priority soon\n/block 7\n/resume\n/hubbub explode")
    await workspace.settle()
    (reply,) = said(issue)
    for command in ("/priority soon", "/block 7", "/hubbub explode"):
        assert f"did not run `{command}`" in reply
    assert f"#{issue.number} is not on hold." in reply


@ON_SQLITE
async def test_no_reply_to_a_person_names_an_operation(workspace: Workspace) -> None:
    """Every command, with and without words, on tasks in each state and on an issue without one."""
    agent = await workspace.agent("scout")
    plain = workspace.person.open_issue(workspace.repository, "No task")
    free, ended, claimed, held = [await workspace.task(str(n)) for n in range(4)]
    await agent.call("claim_task", task=workspace.name(claimed))
    workspace.person.comment(ended, "/cancel")
    workspace.person.comment(held, "/hold")
    await workspace.settle()
    reader = workspace.github.person("reader", permissions={"acme/rocket": "read"})
    asked = [f"/{verb} {words}".strip() for verb in (*VERBS, "help") for words in ("", "x y")]
    issues = (plain, free, ended, claimed, held)
    for issue in issues:
        for first in range(0, len(asked), 8):
            workspace.person.comment(issue, "\n".join(asked[first : first + 8]))
        reader.comment(issue, "\n".join(asked[:8]))
        await workspace.settle()
    replies = "\n".join(reply for issue in issues for reply in said(issue))
    assert len(replies) > 10_000
    assert re.findall(rf"\b({'|'.join(OPERATIONS)})\b", replies) == []
    assert re.findall(r"acme/rocket#\d", replies) == []


async def test_a_newer_reply_minimizes_the_older_one_of_its_kind(workspace: Workspace) -> None:
    issue = await workspace.task()
    for command in ("/status", "/why", "/status", "/status"):
        workspace.person.comment(issue, command)
        await workspace.settle()
    await workspace.time_passes(120)
    assert [each.minimized for each in by_hubbub(issue)] == ["outdated", None, "outdated", None]
    # What people wrote stays.
    people = [each for each in issue.comments if each not in by_hubbub(issue)]
    assert [each.minimized for each in people] == [None] * 4


async def test_a_question_does_not_wait_until_an_older_reply_is_minimized(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    task = workspace.name(issue)
    fence = (await agent.call("claim_task", task=task))["fence"]
    workspace.person.comment(issue, "/why")
    await workspace.settle()
    workspace.person.comment(issue, "/why")
    while await workspace.process_delivery():
        pass
    asked = {"status": "in_progress", "question": "Which red?"}
    await agent.call("update_task_status", task=task, fence=fence, **asked)
    await workspace.settle()
    (comment,) = await workspace.rows(
        "SELECT queued_at, finished_at FROM writes WHERE installation_id = :i AND author = 'scout'"
    )
    assert comment["finished_at"] - comment["queued_at"] < 20 * SECOND
    await workspace.time_passes(120)
    minimized = [each.minimized for each in by_hubbub(issue) if each.minimized]
    assert minimized == ["outdated"]


@ON_SQLITE
async def test_nothing_is_minimized_while_the_limits_are_short(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/status")
    await workspace.settle()
    await workspace.store.write(
        lambda tx: tx.run(
            "UPDATE budgets SET remaining = 100, limit_ = 5000, reset_at = :at "
            "WHERE installation_id = :i",
            i=workspace.installation.id,
            at=workspace.clock() + 3600 * 1_000_000,
        )
    )
    workspace.person.comment(issue, "/status")
    await workspace.settle()
    found = await workspace.rows(
        "SELECT id FROM writes WHERE installation_id = :i AND kind = 'comment_minimize'"
    )
    assert (len(said(issue)), found) == (2, [])
