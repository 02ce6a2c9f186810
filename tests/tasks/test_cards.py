"""What the card says about who ended a task, who took it, and what people should see of it.

The engine plays no part here.
"""

import re

from fixtures.github import Issue
from tests.outbox.test_own_writes import card
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

AT = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"


def assert_ending(issue: Issue, *patterns: str) -> None:
    """The lines of the card between its head and what happens next are these."""
    text, _, _ = card(issue).partition("**Next:**")
    _, _, *lines = [each for each in text.splitlines() if each]
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line


@ON_SQLITE
async def test_the_card_names_the_one_who_ended_the_task_and_who_held_it(
    workspace: Workspace,
) -> None:
    issue, other = await workspace.task(), await workspace.task()
    ann, lead = await workspace.agent("ann"), await workspace.agent("lead", "tech-lead")
    await ann.call("claim_task", task=workspace.name(issue))
    await lead.call("change_task", task=workspace.name(issue), state="completed", note="Merged")
    mine = {"task": workspace.name(other)}
    fence = (await ann.call("claim_task", **mine))["fence"]
    await ann.call("update_task_status", **mine, fence=fence, status="failed", note="No way")
    workspace.person.comment(other, "/retry")
    await workspace.settle()
    workspace.person.comment(other, "/cancel not needed")
    await workspace.settle()
    assert_ending(issue, rf"Completed by `lead` on {AT}: `Merged`\.", r"`ann` held it last\.")
    assert_ending(
        other, rf"Cancelled by `@octocat` on {AT}: `not needed`\.", r"`ann` held it last\."
    )


@ON_SQLITE
async def test_a_holder_that_completes_its_task_is_named_once(workspace: Workspace) -> None:
    issue, ann = await workspace.task(), await workspace.agent("ann")
    workspace.person.comment(issue, "/cancel")
    workspace.person.comment(issue, "/retry")
    await workspace.settle()
    mine = {"task": workspace.name(issue)}
    fence = (await ann.call("claim_task", **mine))["fence"]
    await ann.call("update_task_status", **mine, fence=fence, status="completed")
    await workspace.settle()
    assert_ending(issue, rf"Completed by `ann` on {AT}\.")


@ON_SQLITE
async def test_a_task_that_an_agent_ends_unclaimed_says_so_on_github(workspace: Workspace) -> None:
    issue, lead = await workspace.task(), await workspace.agent("lead", "tech-lead")
    given = {"task": workspace.name(issue), "state": "cancelled", "note": "Out of scope"}
    await lead.call("change_task", **given)
    await workspace.settle()
    assert issue.state == "closed"
    assert_ending(issue, rf"Cancelled by `lead` on {AT}: `Out of scope`\.")
    assert len(issue.comments) == 1


@ON_SQLITE
async def test_a_message_for_people_is_on_the_card_of_an_ended_task(workspace: Workspace) -> None:
    issue, other = await workspace.task(), await workspace.task()
    ann, _ = await workspace.agent("ann"), await workspace.agent("bob")
    mine = {"task": workspace.name(issue), "to": "bob", "visibility": "issue"}
    fence = (await ann.call("claim_task", task=workspace.name(issue)))["fence"]
    await ann.call("send_message", **mine, body="Before the end")
    await workspace.settle()
    workspace.clock.forward(1)
    done = {"task": workspace.name(issue), "fence": fence, "status": "completed"}
    await ann.call("update_task_status", **done)
    workspace.person.close(other)
    await workspace.settle()
    for each in (issue, other):
        await ann.call(
            "send_message", **mine | {"task": workspace.name(each)}, body="Here it is in use"
        )
    await workspace.settle()
    for each in (issue, other):
        assert "`ann` to `bob`:\n\n> Here it is in use" in card(each)
    assert "Before the end" not in card(issue)


@ON_SQLITE
async def test_the_card_says_who_took_the_task_from_whom(workspace: Workspace) -> None:
    issue, lead = await workspace.task(), await workspace.agent("lead", "tech-lead")
    workspace.person.comment(issue, "/claim")
    await workspace.settle()
    assert "Claimed by `@octocat`." in card(issue)
    await lead.call("release_task", task=workspace.name(issue), note="Ann begins today")
    await workspace.settle()
    wanted = "Last decision: `taken from @octocat by lead: Ann begins today`."
    assert wanted in card(issue)
    ann = await workspace.agent("ann")
    await ann.call("claim_task", task=workspace.name(issue))
    await workspace.settle()
    assert "taken from" not in card(issue)
