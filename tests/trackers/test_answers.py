"""What the answers of a foreign tracker mean, also those of one that lies."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from bot.times import SECOND
from bot.trackers import gitlab, sightings
from bot.trackers.foreign import ForeignIssue
from store.tables.trackers import TrackerLinkRow
from tests.support.tracker_rows import foreign_issue

ISSUE: dict[str, Any] = {
    "id": 7,
    "iid": 1,
    "title": "Mend the valve",
    "description": "It leaks.",
    "state": "opened",
    "labels": [],
    "author": {"username": "tanuki"},
    "confidential": False,
    "web_url": "https://gitlab.example.com/group/rocket/-/issues/1",
    "created_at": "2027-01-15T08:00:00Z",
    "updated_at": "2027-01-15T08:00:00.123Z",
}
EVIL = ("https://x) @acme/team", "https://x/\n\n/assign @agent", "javascript:x", "https://x[y]")


@pytest.mark.parametrize("url", EVIL)
def test_an_address_that_means_something_in_markdown_is_none(url: str) -> None:
    """It becomes a part of the issue's text here, which is not cleaned as theirs is."""
    assert gitlab.issue(ISSUE).url == ISSUE["web_url"]
    with pytest.raises(gitlab.WrongShape, match="`web_url` is none of GitLab's"):
        gitlab.issue({**ISSUE, "web_url": url})


@pytest.mark.parametrize("name", ["a](https://x) @acme/team [b", "a\n/assign @agent", "", "a b"])
def test_a_project_has_the_name_of_one(name: str) -> None:
    user, project = {"id": 1, "username": "bot"}, {"id": 2, "path_with_namespace": "group/rocket"}
    assert gitlab.account(user, project).project_name == "group/rocket"
    with pytest.raises(gitlab.WrongShape):
        gitlab.account(user, {**project, "path_with_namespace": name})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"id": "7"}, "`id` is no number"),
        ({"iid": True}, "`iid` is no number"),
        ({"iid": 0}, "`iid` is no number"),
        ({"title": None}, "`title` is no text"),
        ({"labels": None}, "an issue has no labels or no state"),
        ({"state": "locked"}, "an issue has no labels or no state"),
        ({"updated_at": "yesterday"}, "a time cannot be read"),
    ],
)
def test_an_issue_of_another_shape_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(gitlab.WrongShape, match=why):
        gitlab.issues([{**ISSUE, **given}])


@pytest.mark.parametrize("data", [None, {"message": "404"}, "x"])
def test_a_list_that_is_none_is_refused(data: Any) -> None:
    with pytest.raises(gitlab.WrongShape, match="something that is no list"):
        gitlab.issues(data)
    with pytest.raises(gitlab.WrongShape, match="something that is no list"):
        gitlab.has_note(data, "<!-- x -->", 1)


@pytest.mark.parametrize(
    ("given", "moved"),
    [
        ({}, False),
        ({"moved_to_id": 9}, True),
        ({"_links": {"closed_as_duplicate_of": "https://gitlab.example.com/x"}}, True),
        ({"_links": None}, False),
    ],
)
def test_an_issue_that_is_another_one_now_was_moved(given: dict[str, Any], *, moved: bool) -> None:
    assert gitlab.issue({**ISSUE, **given}).content.moved == moved


def test_an_author_whose_name_could_mean_something_in_markdown_is_somebody() -> None:
    assert gitlab.issue({**ISSUE, "author": {"username": "a`b"}}).content.author == "somebody"
    assert gitlab.issue({**ISSUE, "author": None}).content.author == "somebody"


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (200, {}, 0),
        (200, {"RateLimit-Remaining": "7", "RateLimit-Reset": "2000"}, 0),
        # Used up: until it is whole again, by the clock of the other side if it tells it.
        (200, {"RateLimit-Remaining": "0", "RateLimit-Reset": "1030"}, 30),
        (
            200,
            {
                "RateLimit-Remaining": "0",
                "RateLimit-Reset": "1030",
                "Date": "Thu, 01 Jan 1970 00:17:00 GMT",
            },
            10,
        ),
        (
            200,
            {"RateLimit-Remaining": "0", "RateLimit-ResetTime": "Thu, 01 Jan 1970 00:17:00 GMT"},
            20,
        ),
        (429, {}, gitlab.DEFAULT_WAIT_S),
        (429, {"Retry-After": "5"}, 5),
        (429, {"Retry-After": "99999999"}, gitlab.LONGEST_WAIT_S),
        (429, {"RateLimit-Reset": "soon"}, gitlab.DEFAULT_WAIT_S),
        (503, {"Retry-After": "7"}, 7),
        (503, {}, 0),
        (500, {"Retry-After": "7"}, 0),
    ],
)
def test_how_long_nothing_is_sent(status: int, headers: dict[str, str], wait_s: float) -> None:
    assert gitlab.wait_s(status, headers, 1000 * SECOND) == wait_s


def row(issue: ForeignIssue, **given: Any) -> TrackerLinkRow:
    known: Any = {
        "version": issue.version,
        "hash": issue.content.hash,
        "content": asdict(issue.content),
        "missing_at": None,
        "look_at": None,
        "task_id": None,
    }
    found: TrackerLinkRow = known | given
    return found


def test_two_contents_of_one_moment_are_looked_at_again() -> None:
    """In a list, nobody knows which of them is the newer one."""
    known = replace(foreign_issue(1), version=1000)
    other = replace(foreign_issue(1, title="Other"), version=1000)
    assert sightings._changes(row(known), other, 20, alone=False) == {"look_at": 20}
    assert sightings._changes(row(known), other, 20, alone=True)["hash"] == other.content.hash


def test_an_issue_that_a_list_says_was_moved_is_looked_at_again() -> None:
    """A copy that is behind shows the move before the issue is closed."""
    known = replace(foreign_issue(1), version=1000)
    moved = replace(foreign_issue(1, moved=True), version=1001)
    again = 20 + sightings.LOOK_AGAIN
    assert sightings._changes(row(known), moved, 20, alone=False) == {"look_at": again}
    assert sightings._changes(row(known, look_at=30), moved, 20, alone=False) == {"look_at": 30}
    assert sightings._changes(row(known), moved, 20, alone=True)["content"]["moved"]


def test_an_issue_that_only_was_touched_is_not_compared() -> None:
    known = replace(foreign_issue(1), version=1000)
    found = sightings._changes(row(known), replace(known, version=1001), 20, alone=False)
    assert found == {"version": 1001}
    assert sightings._changes(row(known), known, 20, alone=False) == {}


def test_an_issue_that_is_older_than_before_is_not_asked_for_without_a_pause() -> None:
    """A tracker whose backup was restored would be asked for it all the time."""
    known = replace(foreign_issue(1), version=1000)
    found = row(known, missing_at=5, look_at=10)
    older = replace(known, version=999)
    changed = sightings._changes(found, older, 20, alone=True)
    assert changed == {"missing_at": None, "look_at": 20 + sightings.LOOK_AGAIN}
    assert sightings._changes(found, older, 20, alone=False) == {}
