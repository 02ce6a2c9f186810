"""A check that GitHub shows does not stay when its reason is gone, whatever made it go."""

from collections.abc import Awaitable, Callable

import pytest

from bot.repository.settings_file import PATH
from fixtures.github import Pull
from fixtures.github.changes import git
from tests.pulls.test_checks import open_pull, shown
from tests.support.story import Workspace


async def two_pulls(workspace: Workspace) -> tuple[Pull, Pull]:
    """The pull requests of one task; the second one fails."""
    issue = await workspace.task()
    first, second = open_pull(workspace, issue, "one"), open_pull(workspace, issue, "two")
    await workspace.settle()
    assert shown(workspace, second)[0] == "failure"
    return first, second


async def name_no_task(workspace: Workspace, pull: Pull) -> None:
    workspace.person.edit_issue(pull, body="Something else")


async def turn_checks_off(workspace: Workspace, _: Pull) -> None:
    workspace.person.push(workspace.repository, "main", {PATH: "check: {pulls: none}"})


@pytest.mark.parametrize("change", [name_no_task, turn_checks_off])
async def test_a_pull_request_that_needs_no_check_any_more_does_not_keep_a_failing_one(
    workspace: Workspace, change: Callable[[Workspace, Pull], Awaitable[None]]
) -> None:
    """zalando/zappr#461: where it is a required check, nobody could merge."""
    _, second = await two_pulls(workspace)
    await change(workspace, second)
    await workspace.settle()
    assert shown(workspace, second) == ("success", "It is for no task")


async def test_a_branch_that_is_set_back_to_an_older_commit_shows_the_check_of_now(
    workspace: Workspace,
) -> None:
    """Reviewable/Reviewable#503: the older commit still has what it showed at its time."""
    first, second = await two_pulls(workspace)
    older = second.head_sha
    workspace.person.push(workspace.repository, "two", {"more.py": "1\n"})
    workspace.person.close(first)
    await workspace.settle()
    assert shown(workspace, second)[0] == "success"
    world, actor = workspace.person.world, workspace.person.actor
    git.move_branch(world, actor, workspace.repository, "two", older)
    await workspace.settle()
    assert second.head_sha == older
    assert shown(workspace, second)[0] == "success"
