"""Hubbub's check on the groups of GitHub's merge queue, which waits for each required check there.

dcoapp/app#303: a check that is only on pull requests never comes, and GitHub drops them an hour
later from the queue.
"""

import pytest

from bot.repository.settings_file import PATH
from fixtures.github import Pull
from tests.pulls.test_checks import checks, claim, open_pull, propose
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


def queue(workspace: Workspace, pull: Pull) -> str:
    """Put it into the queue, as GitHub does. Return the head of its group."""
    base = workspace.repository.branches["main"]
    branch = f"gh-readonly-queue/main/pr-{pull.number}-{base}"
    files = {"merged.py": "1\n"}
    pusher = workspace.person
    return str(pusher.push(workspace.repository, branch, files, base="main").sha)


def conclusions(workspace: Workspace, head: str) -> list[str | None]:
    return [each.progress.conclusion for each in checks(workspace, head)]


@pytest.mark.parametrize("claimed", [True, False])
async def test_a_group_shows_the_verdict_on_its_pull_request(
    workspace: Workspace, *, claimed: bool
) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    if claimed:
        pull = await propose(workspace, scout, await claim(workspace, scout, issue))
    else:
        await claim(workspace, scout, issue)
        pull = open_pull(workspace, issue)
        await workspace.settle()
    head = queue(workspace, pull)
    await workspace.settle()
    assert conclusions(workspace, head) == ["success" if claimed else "failure"]


@ON_SQLITE
async def test_a_pull_request_of_no_task_passes_the_queue_if_all_get_a_check(
    workspace: Workspace,
) -> None:
    issue = workspace.person.open_issue(workspace.repository, "No task")
    pull = open_pull(workspace, issue)
    await workspace.settle()
    head = queue(workspace, pull)
    await workspace.settle()
    assert conclusions(workspace, head) == []
    workspace.person.push(workspace.repository, "main", {PATH: "check: {pulls: all}"})
    await workspace.settle()
    workspace.person.delete_branch(workspace.repository, _group(workspace))
    again = queue(workspace, pull)
    await workspace.settle()
    assert conclusions(workspace, again) == ["success"]


def _group(workspace: Workspace) -> str:
    (found,) = [each for each in workspace.repository.branches if "gh-readonly-queue" in each]
    return str(found)


@ON_SQLITE
async def test_a_claim_that_begins_while_it_is_in_the_queue_counts(workspace: Workspace) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    pull = open_pull(workspace, issue)
    await workspace.settle()
    head = queue(workspace, pull)
    await workspace.settle()
    assert conclusions(workspace, head) == ["success"]
    await claim(workspace, scout, issue)
    await workspace.settle()
    assert conclusions(workspace, head) == ["failure"]
