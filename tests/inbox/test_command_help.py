"""`/help` shows what this person may do in this place, and explains one command."""

import re

import pytest

from fixtures.github import Issue, Person, Pull
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

# Commands that make sense wherever there is a task, for somebody who may do everything.
ALWAYS = {"status", "why", "agents", "invite", "help"}
OF_OPEN = {"run", "priority", "block", "cancel", "done"}


def last_reply(place: Issue | Pull) -> str:
    """The newest comment that is not the card, without its hidden marker."""
    bodies = [each.body.partition("\n")[2] for each in place.comments]
    return [each for each in bodies if "**Hubbub** ·" not in each][-1]


async def help_here(
    workspace: Workspace, place: Issue | Pull, asker: Person | None = None, words: str = ""
) -> str:
    (asker or workspace.person).comment(place, f"/help {words}")
    await workspace.settle()
    return last_reply(place)


def shown(text: str) -> set[str]:
    return set(re.findall(r"^\| `/([a-z]+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("commands", "fitting"),
    [
        # Nobody holds it.
        ((), {"claim", "assign", "hold", *OF_OPEN}),
        # On hold: only the end of the hold and decisions.
        (("/hold",), {"resume", "assign", *OF_OPEN}),
        # The asker holds it.
        (("/claim",), {"release", "hold", *OF_OPEN}),
        # It is reserved for an agent, which can be asked.
        (("/assign scout",), {"claim", "assign", "ask", "hold", *OF_OPEN}),
        # Another issue blocks it.
        (("/block #1",), {"claim", "assign", "hold", "unblock", *OF_OPEN}),
        # It has ended.
        (("/cancel",), {"retry"}),
    ],
)
@ON_SQLITE
async def test_help_shows_the_commands_that_make_sense_as_things_are(
    workspace: Workspace, commands: tuple[str, ...], fitting: set[str]
) -> None:
    await workspace.agent("scout")
    await workspace.task("The first issue")
    issue = await workspace.task()
    for each in commands:
        workspace.person.comment(issue, each)
        await workspace.settle()
    assert shown(await help_here(workspace, issue)) - PLANNED == fitting | ALWAYS


# Commands about a task that only read, which other rooms add.
PLANNED = {"plan", "spend", "override"}


async def test_help_of_a_task_that_an_agent_holds_offers_to_ask_it(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    await agent.call("claim_task", task=workspace.name(issue))
    found = shown(await help_here(workspace, issue))
    assert {"ask", "release", "hold"} <= found
    assert not found & {"claim", "assign", "resume", "retry", "unblock"}


@ON_SQLITE
async def test_help_shows_only_what_the_permission_allows(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    await agent.call("claim_task", task=workspace.name(issue))
    helper = workspace.github.person("helper", permissions={"acme/rocket": "triage"})
    text = await help_here(workspace, issue, helper)
    assert "| `/ask <text>` |" in text
    assert not shown(text) & {"hold", "release", "invite", "cancel"}
    assert "with the permission triage on this repository" in text


@ON_SQLITE
async def test_help_where_there_is_no_task_says_why_it_is_short(workspace: Workspace) -> None:
    plain = workspace.person.open_issue(workspace.repository, "No task")
    text = await help_here(workspace, plain)
    assert shown(text) == {"agents", "invite", "run", "help"}
    assert text.startswith("This issue is not a task. Add the label `agent-task` to make it one.")
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    pull = workspace.person.open_pull(workspace.repository, title="By a person", head="fix")
    text = await help_here(workspace, pull)
    assert shown(text) == {"agents", "invite", "override", "help"}
    assert text.startswith("This pull request belongs to no task")


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (
            "hold",
            (
                "`/hold [note]`: put this task on hold until `/resume`.\n\n"
                "It needs the permission write. You can use it here now."
            ),
        ),
        (
            "/Resume.",
            (
                "`/resume`: end the hold.\n\nIt needs the permission write. You have the "
                "permission for it, but as things are here it would change nothing."
            ),
        ),
        (
            "help",
            (
                "`/help [command]`: list the commands that you may write here, or explain one.\n\n"
                "Everybody may use it. You can use it here now."
            ),
        ),
        (
            "hlod",
            (
                "@octocat, Hubbub did not run `/help hlod`: there is no command `/hlod`. Did you "
                "mean `/hold`? `/help` lists them."
            ),
        ),
    ],
)
@ON_SQLITE
async def test_help_explains_one_command(workspace: Workspace, words: str, reply: str) -> None:
    issue = await workspace.task()
    assert await help_here(workspace, issue, words=words) == reply


@ON_SQLITE
async def test_help_of_a_command_says_which_permission_is_missing(workspace: Workspace) -> None:
    issue = await workspace.task()
    reader = workspace.github.person("reader", permissions={"acme/rocket": "read"})
    assert await help_here(workspace, issue, reader, "cancel") == (
        "`/cancel [note]`: cancel the task, and close its issue as not planned.\n\n"
        "It needs the permission write. You cannot use it, because you have the permission read."
    )


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("/agents invite eve tester", "`eve` is invited as tester, for this repository."),
        ("/invite eve Tester.", "`eve` is invited as tester, for this repository."),
        (
            "/agents invite eve boss",
            (
                "@octocat, Hubbub did not run `/agents invite eve boss`: `role` must be observer, "
                "tester, developer or tech-lead. The short form is `/invite <NAME> [role]`."
            ),
        ),
        (
            "/agents invite",
            (
                "@octocat, Hubbub did not run `/agents invite`: a word is missing. Write `/invite "
                "<NAME> [role]`: invite an agent: you get its code after a login, not here."
            ),
        ),
    ],
)
@ON_SQLITE
async def test_an_invitation_takes_a_role_and_its_errors_show_the_short_form(
    workspace: Workspace, command: str, reply: str
) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, command)
    await workspace.settle()
    assert last_reply(issue).startswith(reply)
