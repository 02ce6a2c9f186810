"""A repository that appears is fetched whole, whatever happens meanwhile."""

import asyncio

import pytest

from store.fetch import backfills
from store.mirror import mirror_rows
from tests.support.mirror_oracle import (
    of_github,
    of_mirror,
    relations_of_github,
    relations_of_mirror,
)
from tests.support.story import Town


async def filled(town: Town) -> None:
    await town.begin_backfill()
    await town.settle()


async def before_hubbub(town: Town) -> None:
    """Much happened of which no delivery told."""
    town.github.hold_deliveries()
    here, person = town.repository, town.person
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
    town.github.held_deliveries.clear()
    town.github.release_deliveries()


async def test_all_that_was_there_before_hubbub_is_in_the_mirror(town: Town) -> None:
    await before_hubbub(town)
    await filled(town)
    assert await of_mirror(town, town.repository) == of_github(town.repository)
    assert await relations_of_mirror(town) == relations_of_github(town.github)
    assert len(await relations_of_mirror(town)) == 2


async def test_labelled_issues_of_the_past_become_tasks(town: Town) -> None:
    await before_hubbub(town)
    await filled(town)
    agent = await town.agent("a")
    tasks = (await agent.call("list_tasks"))["tasks"]
    assert [task["title"] for task in tasks] == ["Build a rocket"]


async def test_a_backfill_is_done_once(town: Town) -> None:
    await filled(town)
    asked = len(town.github.requests)
    await filled(town)
    assert len(town.github.requests) == asked


async def test_a_webhook_that_comes_meanwhile_is_not_overwritten_by_an_older_page(
    town: Town,
) -> None:
    issue = await town.task("Old title")
    page = [row for row in await town.mirrored("issues") if row["number"] == issue.number]
    town.clock.forward(5)
    town.person.edit_issue(issue, title="New title")
    await town.settle()
    # The page was read before the edit and comes in after it.
    await town.store.write(lambda tx: mirror_rows.put(tx, "issues", page[0]))
    (row,) = [r for r in await town.mirrored("issues") if r["number"] == issue.number]
    assert row["title"] == "New title"


async def test_what_was_deleted_unheard_is_found_missing(town: Town) -> None:
    gone = await town.task("Deleted unheard")
    kept = await town.task("Kept")
    comment = town.person.comment(kept, "Deleted unheard, too")
    town.person.comment(kept, "Newer")
    await town.settle()
    town.github.hold_deliveries()
    town.person.delete_issue(gone)
    town.person.delete_comment(comment)
    town.github.held_deliveries.clear()
    town.github.release_deliveries()
    await filled(town)
    assert await of_mirror(town, town.repository) == of_github(town.repository)


async def test_a_repository_removed_and_added_again_is_fetched_again(town: Town) -> None:
    await filled(town)
    town.github.remove_repositories(town.installation, ["acme/rocket"])
    await town.settle()
    town.person.open_issue(town.repository, "Nobody heard of it")
    town.github.add_repositories(town.installation, ["acme/rocket"])
    await town.settle()
    await filled(town)
    assert [row["title"] for row in await town.mirrored("issues")] == ["Nobody heard of it"]


async def test_a_suspended_installation_is_fetched_again_when_it_is_back(town: Town) -> None:
    await filled(town)
    town.github.suspend(town.installation)
    await town.settle()
    town.person.open_issue(town.repository, "Nobody heard of it")
    town.github.unsuspend(town.installation)
    await town.settle()
    await filled(town)
    assert [row["title"] for row in await town.mirrored("issues")] == ["Nobody heard of it"]


@pytest.mark.parametrize("dies_after", [1, 3, 7])
async def test_a_backfill_that_dies_goes_on_where_it_was(town: Town, dies_after: int) -> None:
    town.github.seed(town.repository, issues=950, comments_each=1)
    await town.begin_backfill()
    for _ in range(dies_after):
        await town.sender.step(town.installation.id)
    asked = len(town.github.requests)
    step = asyncio.create_task(town.sender.step(town.installation.id))
    while len(town.github.requests) == asked and not step.done():  # noqa: ASYNC110 - HTTP has none
        await asyncio.sleep(0)
    step.cancel()
    await asyncio.wait([step])
    await filled(town)
    assert await of_mirror(town, town.repository) == of_github(town.repository)
    # 950 issues and 950 comments are 10 pages each; what a death costs is its page.
    pages = [each for each in town.github.requests if each.path.endswith(("/issues", "/comments"))]
    assert len(pages) <= 26


async def test_a_backfill_leaves_half_of_the_hour_to_others(town: Town) -> None:
    town.github.seed(town.repository, issues=950)
    town.github.limits.core = 20
    town.github.limits.buckets.clear()
    began = town.clock()
    await filled(town)
    assert await of_mirror(town, town.repository) == of_github(town.repository)
    # Twenty requests or so at ten an hour.
    assert (town.clock() - began) / 3_600_000_000 > 1


async def test_more_things_of_one_second_than_a_page_holds_are_all_fetched(town: Town) -> None:
    town.github.hold_deliveries()
    for n in range(230):
        town.person.open_issue(town.repository, f"Imported {n}")
    town.github.held_deliveries.clear()
    town.github.release_deliveries()
    await filled(town)
    assert len(await town.mirrored("issues")) == 230


async def test_progress_says_what_is_left(town: Town) -> None:
    town.github.seed(town.repository, issues=350)
    await town.begin_backfill()
    for _ in range(8):
        await town.sender.step(town.installation.id)
    rows = await town.store.read(lambda tx: backfills.progress(tx, town.installation.id))
    issues = next(row for row in rows if row["part"] == "issues")
    assert (issues["name"], issues["state"]) == ("acme/rocket", "queued")
    assert 0 < issues["seen"] < 350 <= (issues["expected"] or 0)
