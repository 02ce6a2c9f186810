"""How issues hang together on the simulated GitHub."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fixtures.github import Issue, Repository
from tests.support.github_client import Acme, open_acme

REPO = "/repos/acme/web"


@pytest.fixture
async def acme(openapi: Path | None) -> AsyncIterator[Acme]:
    async with open_acme(openapi) as found:
        found.github.hold_deliveries()
        yield found
        assert found.github.violations == []


def other_repository(acme: Acme) -> Repository:
    """Another of acme's, with the App in it."""
    made = acme.github.repository("acme/api", private=True)
    acme.github.set_permission("acme/api", "ada", "admin")
    acme.github.add_repositories(acme.installation, ["acme/api"])
    return made


def payloads(acme: Acme, event: str) -> list[dict[str, Any]]:
    return [each.payload for each in acme.github.deliveries if each.event == event]


async def test_a_sub_issue_is_told_of_in_both_repositories(acme: Acme) -> None:
    parent = acme.ada.open_issue(acme.web, "Parent")
    child = acme.ada.open_issue(other_repository(acme), "Child")
    acme.ada.add_sub_issue(parent, child)
    down, up = payloads(acme, "sub_issues")
    assert (down["action"], down["repository"]["name"]) == ("sub_issue_added", "web")
    assert (up["action"], up["repository"]["name"]) == ("parent_issue_added", "api")
    for payload in (down, up):
        assert (payload["parent_issue_id"], payload["sub_issue_id"]) == (parent.id, child.id)
        assert payload["parent_issue"]["sub_issues_summary"]["total"] == 1
        assert payload["sub_issue"]["parent_issue_url"].endswith("/repos/acme/web/issues/1")
    assert down["sub_issue_repo"]["name"] == "api"
    assert up["parent_issue_repo"]["name"] == "web"
    acme.ada.remove_sub_issue(child)
    actions = [each["action"] for each in payloads(acme, "sub_issues")[2:]]
    assert actions == ["sub_issue_removed", "parent_issue_removed"]


async def test_a_dependency_is_told_of_in_both_repositories(acme: Acme) -> None:
    blocked = acme.ada.open_issue(acme.web, "Blocked")
    by = acme.ada.open_issue(other_repository(acme), "Blocker")
    acme.ada.block(blocked, by)
    near, far = payloads(acme, "issue_dependencies")
    assert (near["action"], near["blocking_issue_repo"]["name"]) == ("blocked_by_added", "api")
    assert (far["action"], far["blocked_issue_repo"]["name"]) == ("blocking_added", "web")
    for payload in (near, far):
        ids = (payload["blocked_issue_id"], payload["blocking_issue_id"])
        assert ids == (blocked.id, by.id)
    assert near["blocked_issue"]["issue_dependencies_summary"]["blocked_by"] == 1
    acme.ada.close(by)
    shown = (await acme.call("GET", f"{REPO}/issues/1")).data["issue_dependencies_summary"]
    assert (shown["blocked_by"], shown["total_blocked_by"]) == (0, 1)
    acme.ada.unblock(blocked, by)
    actions = [each["action"] for each in payloads(acme, "issue_dependencies")[2:]]
    assert actions == ["blocked_by_removed", "blocking_removed"]


def chain(acme: Acme, length: int) -> list[Issue]:
    """Issues, each the sub-issue of the one before."""
    issues = [acme.ada.open_issue(acme.web, f"Level {each}") for each in range(length)]
    for parent, child in pairwise(issues):
        acme.ada.add_sub_issue(parent, child)
    return issues


async def refusal(acme: Acme, path: str, **body: object) -> str:
    answer = await acme.call("POST", f"{REPO}/issues/{path}", body)
    status, message, errors = acme.refusal(answer)
    assert status == 422
    return errors[0]["message"] if errors else message


async def test_what_github_refuses_of_sub_issues_is_refused(acme: Acme) -> None:
    issues = chain(acme, 8)
    top, second, deepest = issues[0], issues[1], issues[-1]
    new = acme.ada.open_issue(acme.web, "New")
    under = "{}/sub_issues".format
    assert await refusal(acme, under(new.number), sub_issue_id=second.id) == (
        "Sub issue may only have one parent"
    )
    assert "duplicate" in await refusal(acme, under(top.number), sub_issue_id=second.id)
    assert "circular" in await refusal(acme, under(deepest.number), sub_issue_id=top.id)
    assert "8 levels" in await refusal(acme, under(deepest.number), sub_issue_id=new.id)
    assert "not be found" in await refusal(acme, under(top.number), sub_issue_id=1)
    replace = {"sub_issue_id": deepest.id, "replace_parent": True}
    path = f"{REPO}/issues/{new.number}/sub_issues"
    assert (await acme.call("POST", path, replace)).status == 201
    assert deepest.parent is new
    for _ in range(99):
        acme.ada.add_sub_issue(new, acme.ada.open_issue(acme.web, "One more"))
    late = acme.ada.open_issue(acme.web, "Too many")
    assert "100 sub-issues" in await refusal(acme, under(new.number), sub_issue_id=late.id)


async def test_what_github_refuses_of_dependencies_is_refused(acme: Acme) -> None:
    one, two, three = (acme.ada.open_issue(acme.web, each) for each in ("1", "2", "3"))
    acme.ada.block(two, one)
    acme.ada.block(three, two)
    by = "{}/dependencies/blocked_by".format
    assert "already been taken" in await refusal(acme, by(2), issue_id=one.id)
    assert "a cycle" in await refusal(acme, by(1), issue_id=three.id)
    assert "a cycle" in await refusal(acme, by(1), issue_id=one.id)
    for _ in range(50):
        acme.ada.block(one, acme.ada.open_issue(acme.web, "Before"))
    late = acme.ada.open_issue(acme.web, "Too many")
    assert "50 dependencies" in await refusal(acme, by(1), issue_id=late.id)


async def test_what_a_token_does_not_see_is_not_listed(acme: Acme) -> None:
    hidden = acme.github.repository("acme/hidden", private=True)
    acme.github.set_permission("acme/hidden", "ada", "admin")
    secret, shown = acme.ada.open_issue(hidden, "Secret"), acme.ada.open_issue(acme.web, "Shown")
    acme.ada.block(shown, secret)
    acme.ada.add_sub_issue(secret, shown)
    assert (await acme.call("GET", f"{REPO}/issues/1/dependencies/blocked_by")).data == []
    assert (await acme.call("GET", f"{REPO}/issues/1/parent")).status == 404


async def test_a_deleted_issue_leaves_its_relations(acme: Acme) -> None:
    first, second, third = chain(acme, 3)
    acme.ada.block(third, second)
    acme.ada.delete_issue(second)
    assert (first.sub_issues, third.parent, third.blocked_by) == ([], None, [])
