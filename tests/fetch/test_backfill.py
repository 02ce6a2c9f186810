"""A repository that appears is fetched whole, whatever happens meanwhile."""

import asyncio

import pytest

from store.fetch import backfills
from store.mirror import mirror_rows
from tests.support.engines import ON_SQLITE
from tests.support.mirror_oracle import (
    of_github,
    of_mirror,
    relations_of_github,
    relations_of_mirror,
)
from tests.support.story import Workspace


async def fill(workspace: Workspace) -> None:
    await workspace.begin_backfill()
    await workspace.settle()


async def before_hubbub(workspace: Workspace) -> None:
    """Much happened of which no delivery told."""
    workspace.github.hold_deliveries()
    here, person = workspace.repository, workspace.person
    milestone = person.create_milestone(here, "Spring")
    parent = person.open_issue(here, "Build a rocket", "All of it", labels=["agent-task"])
    child = person.open_issue(here, "Mend the engine", labels=["bug"], assignees=["octocat"])
    person.set_milestone(child, milestone)
    person.add_sub_issue(parent, child)
    person.block(parent, child)
    person.comment(child, "It smokes 🚀")
    closed = person.open_issue(here, "Paint it")
    person.close(closed, "not_planned")
    commit = person.push(here, "2-mend", {"engine.py": "1\n", "doc.md": "new\n"})
    pull = person.open_pull(here, title="Mend it", head="2-mend", body="Fixes #2")
    person.review(pull, "changes_requested", "No")
    person.review_comment(pull, "engine.py", 1, "Why?")
    assert commit.sha == pull.head_sha
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()


async def test_all_that_was_there_before_hubbub_is_in_the_mirror(workspace: Workspace) -> None:
    await before_hubbub(workspace)
    await fill(workspace)
    assert await of_mirror(workspace, workspace.repository) == of_github(workspace.repository)
    assert await relations_of_mirror(workspace) == relations_of_github(workspace.github)
    assert len(await relations_of_mirror(workspace)) == 2


async def test_labelled_issues_of_the_past_become_tasks(workspace: Workspace) -> None:
    await before_hubbub(workspace)
    await fill(workspace)
    agent = await workspace.agent("a")
    tasks = (await agent.call("list_tasks"))["tasks"]
    assert [task["title"] for task in tasks] == ["Build a rocket"]


async def test_a_backfill_is_done_once(workspace: Workspace) -> None:
    await fill(workspace)
    asked = len(workspace.github.requests)
    await fill(workspace)
    assert len(workspace.github.requests) == asked


async def test_a_webhook_that_comes_meanwhile_is_not_overwritten_by_an_older_page(
    workspace: Workspace,
) -> None:
    issue = await workspace.task("Old title")
    page = [
        row for row in await workspace.mirror_content("issues") if row["number"] == issue.number
    ]
    workspace.clock.forward(5)
    workspace.person.edit_issue(issue, title="New title")
    await workspace.settle()
    # The page was read before the edit and comes in after it.
    await workspace.store.write(lambda tx: mirror_rows.put(tx, "issues", page[0]))
    (row,) = [r for r in await workspace.mirror_content("issues") if r["number"] == issue.number]
    assert row["title"] == "New title"


async def test_what_was_deleted_unheard_is_found_missing(workspace: Workspace) -> None:
    gone = await workspace.task("Deleted unheard")
    kept = await workspace.task("Kept")
    comment = workspace.person.comment(kept, "Deleted unheard, too")
    workspace.person.comment(kept, "Newer")
    await workspace.settle()
    workspace.github.hold_deliveries()
    workspace.person.delete_issue(gone)
    workspace.person.delete_comment(comment)
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    await fill(workspace)
    assert await of_mirror(workspace, workspace.repository) == of_github(workspace.repository)


async def test_a_repository_removed_and_added_again_is_fetched_again(workspace: Workspace) -> None:
    await fill(workspace)
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    workspace.person.open_issue(workspace.repository, "Nobody heard of it")
    workspace.github.add_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    await fill(workspace)
    assert [row["title"] for row in await workspace.mirror_content("issues")] == [
        "Nobody heard of it"
    ]


async def test_a_suspended_installation_is_fetched_again_when_it_is_back(
    workspace: Workspace,
) -> None:
    await fill(workspace)
    workspace.github.suspend(workspace.installation)
    await workspace.settle()
    workspace.person.open_issue(workspace.repository, "Nobody heard of it")
    workspace.github.unsuspend(workspace.installation)
    await workspace.settle()
    await fill(workspace)
    assert [row["title"] for row in await workspace.mirror_content("issues")] == [
        "Nobody heard of it"
    ]


@pytest.mark.parametrize("dies_after", [1, 7])
async def test_a_backfill_that_dies_goes_on_where_it_was(
    workspace: Workspace, dies_after: int
) -> None:
    workspace.github.seed(workspace.repository, issues=350, comments_each=1)
    await workspace.begin_backfill()
    for _ in range(dies_after):
        await workspace.sender.step(workspace.installation.id)
    asked = len(workspace.github.requests)
    step = asyncio.create_task(workspace.sender.step(workspace.installation.id))
    while len(workspace.github.requests) == asked and not step.done():  # noqa: ASYNC110 - HTTP has none
        await asyncio.sleep(0)
    step.cancel()
    await asyncio.wait([step])
    await fill(workspace)
    assert await of_mirror(workspace, workspace.repository) == of_github(workspace.repository)
    # 350 issues and 350 comments are 4 pages each; what a death costs is its page.
    pages = [
        each for each in workspace.github.requests if each.path.endswith(("/issues", "/comments"))
    ]
    assert len(pages) <= 14


@ON_SQLITE
async def test_a_backfill_leaves_half_of_the_hour_to_others(workspace: Workspace) -> None:
    workspace.github.seed(workspace.repository, issues=350)
    workspace.github.limits.core = 20
    workspace.github.limits.buckets.clear()
    began = workspace.clock()
    await fill(workspace)
    assert await of_mirror(workspace, workspace.repository) == of_github(workspace.repository)
    # Fifteen requests or so at ten an hour.
    assert (workspace.clock() - began) / 3_600_000_000 > 1


async def test_more_things_of_one_second_than_a_page_holds_are_all_fetched(
    workspace: Workspace,
) -> None:
    workspace.github.hold_deliveries()
    for n in range(230):
        workspace.person.open_issue(workspace.repository, f"Imported {n}")
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    await fill(workspace)
    assert len(await workspace.mirror_content("issues")) == 230


async def test_progress_says_what_is_left(workspace: Workspace) -> None:
    workspace.github.seed(workspace.repository, issues=350)
    await workspace.begin_backfill()
    for _ in range(9):
        await workspace.sender.step(workspace.installation.id)
    rows = await workspace.store.read(lambda tx: backfills.progress(tx, workspace.installation.id))
    issues = next(row for row in rows if row["part"] == "issues")
    assert (issues["name"], issues["state"]) == ("acme/rocket", "queued")
    assert 0 < issues["seen"] < 350 <= (issues["expected"] or 0)
