"""Long lists of the simulated GitHub: a repository with a past, page by page."""

import re

import pytest

from fixtures.github.times import stamp
from tests.support.github_client import Acme, Answer

REPO = "/repos/acme/web"


async def pages(acme: Acme, path: str) -> list[Answer]:
    """All the pages of a list."""
    found, following = [], path
    while following:
        found.append(await acme.call("GET", following))
        links = re.findall(r'<([^>]+)>; rel="next"', found[-1].headers.get("Link", ""))
        following = links[0] if links else ""
    return found


async def test_a_seeded_repository_has_a_past_and_sends_nothing(acme: Acme) -> None:
    acme.github.hold_deliveries()
    acme.github.seed(acme.web, issues=300, comments_each=2, pulls=20, seed=3)
    assert acme.github.held_deliveries == []
    assert (len(acme.web.issues), len(acme.web.pulls), len(acme.web.comments)) == (300, 20, 640)
    times = [each.updated_at for each in acme.web.threads.values()]
    assert 200 < len(set(times)) < len(times)
    assert max(times) <= stamp(acme.clock.now())
    shown = await acme.call("GET", "/repos/acme/web")
    opened = [each for each in acme.web.threads.values() if each.state == "open"]
    assert shown.data["open_issues_count"] == len(opened) > 0
    again = acme.github.repository("acme/again")
    acme.github.seed(again, issues=300, comments_each=2, pulls=20, seed=3)
    assert [each.updated_at for each in again.threads.values()] == times


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("issues?state=all&sort=created&direction=asc", "created_at"),
        ("issues?state=all&sort=updated&direction=asc", "updated_at"),
        ("issues?state=all&sort=comments&direction=asc", "comments"),
        ("issues/comments?sort=updated&direction=asc", "updated_at"),
        ("pulls/comments?sort=created&direction=asc", "created_at"),
        ("pulls?state=all&sort=updated&direction=asc", "updated_at"),
    ],
)
async def test_a_long_list_comes_whole_and_in_order(acme: Acme, path: str, key: str) -> None:
    acme.github.seed(acme.web, issues=150, comments_each=1, pulls=40, seed=1)
    found = [each for page in await pages(acme, f"{REPO}/{path}&per_page=60") for each in page.data]
    assert [each[key] for each in found] == sorted(each[key] for each in found)
    assert len({each["id"] for each in found}) == len(found)
    assert len(found) == (40 if path.startswith("pulls") else 190)
    assert acme.github.violations == []


async def test_since_gives_what_was_updated_then_or_later(acme: Acme) -> None:
    acme.github.seed(acme.web, issues=100, comments_each=1, seed=1)
    middle = sorted(each.updated_at for each in acme.web.threads.values())[50]
    path = f"{REPO}/issues?state=all&sort=updated&direction=asc&since={middle}&per_page=100"
    found = [each["updated_at"] for page in await pages(acme, path) for each in page.data]
    assert found[0] == middle
    assert len(found) == sum(each.updated_at >= middle for each in acme.web.threads.values())


async def test_a_change_shows_in_the_next_page_that_is_asked_for(acme: Acme) -> None:
    first = acme.ada.open_issue(acme.web, "First")
    acme.ada.open_issue(acme.web, "Second")
    path = f"{REPO}/issues?per_page=1&page=2"
    assert (await acme.call("GET", path)).data[0]["title"] == "First"
    acme.ada.close(first)
    assert (await acme.call("GET", path)).data == []


async def test_a_seeded_past_may_have_relations(acme: Acme) -> None:
    acme.github.seed(acme.web, issues=200, relations=100, seed=1)
    pages_of_issues = await pages(acme, f"{REPO}/issues?state=all&per_page=100")
    listed = [each for page in pages_of_issues for each in page.data]
    assert sum(each["sub_issues_summary"]["total"] for each in listed) == 100
    waiting = [each["issue_dependencies_summary"]["total_blocked_by"] for each in listed]
    assert sum(waiting) == 100
    assert sum("parent_issue_url" in each for each in listed) == 100
    assert acme.github.violations == []
