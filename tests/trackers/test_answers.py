"""What the answers of a foreign tracker mean, also those of one that lies."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from bot.trackers import gitlab, sightings
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


def test_an_issue_that_is_older_than_before_is_not_asked_for_without_a_pause() -> None:
    """A tracker whose backup was restored would be asked for it all the time."""
    known = replace(foreign_issue(1), version=1000)
    row: Any = {
        "version": known.version,
        "hash": known.content.hash,
        "content": asdict(known.content),
        "missing_at": 5,
        "look_at": 10,
        "task_id": None,
    }
    found: TrackerLinkRow = row
    older = replace(known, version=999)
    changed = sightings._changes(found, older, 20, alone=True)
    assert changed == {"missing_at": None, "look_at": 20 + sightings.LOOK_AGAIN}
    assert sightings._changes(found, older, 20, alone=False) == {}
