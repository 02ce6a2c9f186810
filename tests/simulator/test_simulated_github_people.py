"""What people do on the simulated GitHub beyond daily work, and how it is told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.github_client import Acme, open_acme

REPO = "/repos/acme/web"


@pytest.fixture
async def acme(openapi: Path | None) -> AsyncIterator[Acme]:
    async with open_acme(openapi) as found:
        found.github.hold_deliveries()
        yield found
        assert found.github.violations == []


def held_events(acme: Acme) -> list[tuple[str, str | None]]:
    return [(each.event, each.action) for each in acme.github.held_deliveries]


def last(acme: Acme) -> dict[str, Any]:
    return acme.github.held_deliveries[-1].payload


async def test_a_transferred_issue_takes_its_comments_and_leaves_an_address(acme: Acme) -> None:
    api = acme.github.repository("acme/api", private=True)
    acme.github.set_permission("acme/api", "ada", "admin")
    acme.github.add_repositories(acme.installation, ["acme/api"])
    parent = acme.ada.open_issue(acme.web, "Parent")
    issue = acme.ada.open_issue(acme.web, "Elsewhere", labels=["agent-task"])
    acme.ada.add_sub_issue(parent, issue)
    comment = acme.ada.comment(issue, "Said")
    acme.ada.open_issue(api, "First here")
    made = acme.ada.transfer_issue(issue, api)
    gone, came = (each.payload for each in acme.github.held_deliveries[-2:])
    assert (gone["action"], gone["repository"]["name"]) == ("transferred", "web")
    assert gone["issue"]["id"] == issue.id
    assert gone["changes"]["new_issue"]["id"] == made.id
    assert gone["changes"]["new_repository"]["id"] == api.id
    assert (came["action"], came["repository"]["name"]) == ("opened", "api")
    assert (came["issue"]["number"], came["issue"]["comments"]) == (2, 1)
    assert came["changes"]["old_issue"]["id"] == issue.id
    assert came["changes"]["old_repository"]["id"] == acme.web.id
    moved = await acme.call("GET", f"{REPO}/issues/2/comments")
    assert moved.status == 301
    found = await acme.call("GET", moved.headers["Location"])
    assert [each["id"] for each in found.data] == [comment.id]
    assert (await acme.call("GET", "/repos/acme/api/issues/2/parent")).data["id"] == parent.id
    assert (await acme.call("GET", REPO)).data["open_issues_count"] == 1


async def test_labels_and_milestones_say_what_they_were(acme: Acme) -> None:
    label = acme.ada.create_label(acme.web, "bug", "ff0000")
    acme.ada.edit_label(acme.web, label, name="defect", color="00ff00", description="Broken")
    assert last(acme)["changes"] == {
        "name": {"from": "bug"},
        "color": {"from": "ff0000"},
        "description": {"from": ""},
    }
    milestone = acme.ada.create_milestone(acme.web, "First")
    issue = acme.ada.open_issue(acme.web, "In it")
    acme.ada.set_milestone(issue, milestone)
    acme.ada.edit_milestone(acme.web, milestone, title="Later")
    assert last(acme)["changes"] == {"title": {"from": "First"}}
    acme.ada.delete_milestone(acme.web, milestone)
    assert (last(acme)["action"], issue.milestone) == ("deleted", None)


async def test_types_come_and_go_by_hand_and_by_request(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "What is it?")
    acme.ada.set_type(issue, "Bug")
    assert (last(acme)["action"], last(acme)["type"]["name"]) == ("typed", "Bug")
    assert last(acme)["issue"]["type"]["name"] == "Bug"
    changed = await acme.call("PATCH", f"{REPO}/issues/1", {"type": None})
    assert changed.data["type"] is None
    assert (last(acme)["action"], last(acme)["type"]["name"]) == ("untyped", "Bug")


async def test_who_may_do_what_is_told_when_it_changes(acme: Acme) -> None:
    acme.github.person("bob")
    for role in ("read", "read", "write", None):
        acme.github.set_permission("acme/web", "bob", role)
    assert held_events(acme) == [("member", "added"), ("member", "edited"), ("member", "removed")]
    edited = acme.github.held_deliveries[1].payload
    assert edited["changes"]["permission"] == {"from": "read", "to": "write"}
    assert edited["member"]["login"] == "bob"


async def test_a_team_gives_its_members_what_it_has(acme: Acme) -> None:
    team = acme.github.create_team("acme", "Makers")
    acme.github.join_team(team, "bob")
    acme.github.set_team_permission(team, "acme/web", "maintain")
    path = f"{REPO}/collaborators/bob/permission"
    assert (await acme.call("GET", path)).data["role_name"] == "maintain"
    acme.github.leave_team(team, "bob")
    assert (await acme.call("GET", path)).data["role_name"] == "none"
    assert held_events(acme) == [
        ("team", "created"),
        ("membership", "added"),
        ("team", "added_to_repository"),
        ("membership", "removed"),
    ]
    assert "repository" not in last(acme)


async def test_who_leaves_the_organization_loses_all_they_had(acme: Acme) -> None:
    acme.github.add_member("acme", "bob")
    acme.github.set_permission("acme/web", "bob", "write")
    acme.github.remove_member("acme", "bob")
    assert (last(acme)["action"], last(acme)["membership"]["user"]["login"]) == (
        "member_removed",
        "bob",
    )
    path = f"{REPO}/collaborators/bob/permission"
    assert (await acme.call("GET", path)).data["role_name"] == "none"


async def test_an_account_with_another_name_is_told_of_and_found_by_the_old_one(
    acme: Acme,
) -> None:
    acme.github.rename_account("acme", "apex")
    assert held_events(acme)[-2:] == [
        ("installation_target", "renamed"),
        ("organization", "renamed"),
    ]
    renamed = acme.github.held_deliveries[-2].payload
    assert renamed["account"]["login"] == "apex"
    assert renamed["changes"] == {"login": {"from": "acme"}}
    assert renamed["target_type"] == "Organization"
    moved = await acme.call("GET", REPO)
    assert moved.status == 301
    assert (await acme.call("GET", moved.headers["Location"])).data["full_name"] == "apex/web"


async def test_a_transferred_repository_leaves_the_installation(acme: Acme) -> None:
    acme.github.organization("umbrella")
    there = acme.github.install("umbrella", [])
    there.repository_selection = "all"
    acme.ada.transfer_repository(acme.web, "umbrella")
    assert held_events(acme)[-3:] == [
        ("installation_repositories", "removed"),
        ("installation_repositories", "added"),
        ("repository", "transferred"),
    ]
    assert last(acme)["installation"]["id"] == there.id
    assert last(acme)["changes"]["owner"]["from"]["organization"]["login"] == "acme"
    assert (await acme.call("GET", "/repos/umbrella/web")).status == 404


async def test_a_deleted_repository_is_not_found(acme: Acme) -> None:
    acme.ada.delete_repository(acme.web)
    assert held_events(acme)[-1] == ("repository", "deleted")
    assert (await acme.call("GET", REPO)).status == 404
    assert (await acme.call("GET", "/installation/repositories")).data["total_count"] == 0


async def test_an_archived_repository_is_only_read(acme: Acme) -> None:
    acme.ada.archive(acme.web)
    refused = await acme.call("POST", f"{REPO}/issues", {"title": "No"})
    assert refused.status == 403
    assert (await acme.call("GET", REPO)).data["archived"] is True
    acme.ada.unarchive(acme.web)
    assert (await acme.call("POST", f"{REPO}/issues", {"title": "Yes"})).status == 201


async def test_visibility_changes_what_strangers_see(acme: Acme) -> None:
    acme.github.person("eve")
    acme.ada.publicize(acme.web)
    path = f"{REPO}/collaborators/eve/permission"
    assert (await acme.call("GET", path)).data["role_name"] == "read"
    acme.ada.privatize(acme.web)
    assert (await acme.call("GET", path)).data["role_name"] == "none"
    assert held_events(acme)[-2:] == [("repository", "publicized"), ("repository", "privatized")]
    assert last(acme)["repository"]["visibility"] == "private"


async def test_a_locked_issue_says_why(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "Loud")
    acme.ada.lock(issue, "too heated")
    shown = (await acme.call("GET", f"{REPO}/issues/1")).data
    assert (shown["locked"], shown["active_lock_reason"]) == (True, "too heated")
    acme.ada.unlock(issue)
    assert held_events(acme)[-2:] == [("issues", "locked"), ("issues", "unlocked")]


async def test_a_pull_request_says_which_files_it_changes(acme: Acme) -> None:
    acme.ada.push(acme.web, "main", {"old.py": "1\n2\n", "kept.py": "1\n"})
    acme.ada.push(acme.web, "fix", {"old.py": None, "kept.py": "1\n2\n", "new.py": "3\n"})
    acme.ada.open_pull(acme.web, title="Fix", head="fix")
    shown = (await acme.call("GET", f"{REPO}/pulls/1")).data
    assert (shown["changed_files"], shown["additions"], shown["deletions"]) == (3, 2, 2)
    files = (await acme.call("GET", f"{REPO}/pulls/1/files")).data
    assert [(f["filename"], f["status"], f["additions"], f["deletions"]) for f in files] == [
        ("kept.py", "modified", 1, 0),
        ("new.py", "added", 1, 0),
        ("old.py", "removed", 0, 2),
    ]


async def test_a_push_to_the_head_goes_into_the_pull_request(acme: Acme) -> None:
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    pull = acme.ada.open_pull(acme.web, title="Fix", head="fix")
    before = pull.head_sha
    acme.ada.push(acme.web, "fix", {"b.py": "1\n"})
    assert held_events(acme)[-2:] == [("push", None), ("pull_request", "synchronize")]
    assert (last(acme)["before"], last(acme)["after"]) == (before, pull.head_sha)
    assert last(acme)["pull_request"]["head"]["sha"] == pull.head_sha
    assert last(acme)["pull_request"]["changed_files"] == 2


async def test_a_review_is_edited_and_dismissed(acme: Acme) -> None:
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    pull = acme.ada.open_pull(acme.web, title="Fix", head="fix")
    bob = acme.github.person("bob", permissions={"acme/web": "write"})
    acme.ada.request_review(pull, "bob")
    assert last(acme)["requested_reviewer"]["login"] == "bob"
    review = bob.review(pull, "changes_requested", "No")
    assert last(acme)["pull_request"]["requested_reviewers"] == []
    bob.edit_review(review, "Not yet")
    assert last(acme)["changes"] == {"body": {"from": "No"}}
    acme.ada.dismiss_review(review)
    assert (last(acme)["action"], last(acme)["review"]["state"]) == ("dismissed", "dismissed")
    listed = (await acme.call("GET", f"{REPO}/pulls/1/reviews")).data
    assert [(each["state"], each["body"]) for each in listed] == [("DISMISSED", "Not yet")]


async def test_a_thread_is_resolved_as_a_whole(acme: Acme) -> None:
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    pull = acme.ada.open_pull(acme.web, title="Fix", head="fix")
    first = acme.ada.review_comment(pull, "a.py", 1, "Why?")
    answer = acme.ada.reply(first, "Because")
    acme.ada.resolve(answer)
    assert held_events(acme)[-1] == ("pull_request_review_thread", "resolved")
    assert [each["id"] for each in last(acme)["thread"]["comments"]] == [first.id, answer.id]
    assert first.resolved
    acme.ada.unresolve(first)
    assert held_events(acme)[-1] == ("pull_request_review_thread", "unresolved")
    assert not first.resolved


async def test_a_pull_request_goes_back_to_draft(acme: Acme) -> None:
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    pull = acme.ada.open_pull(acme.web, title="Fix", head="fix")
    acme.ada.convert_to_draft(pull)
    assert held_events(acme)[-1] == ("pull_request", "converted_to_draft")
    assert (await acme.call("GET", f"{REPO}/pulls/1")).data["draft"] is True


async def test_a_forced_push_says_so(acme: Acme) -> None:
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    first = acme.ada.push(acme.web, "fix", {"a.py": "2\n"})
    assert last(acme)["forced"] is False
    second = acme.ada.push(acme.web, "fix", {"b.py": "1\n"}, force=True)
    assert last(acme)["forced"] is True
    assert (last(acme)["before"], last(acme)["after"]) == (first.sha, second.sha)
    assert "a.py" not in second.files


async def test_another_default_branch_is_told_of(acme: Acme) -> None:
    acme.ada.push(acme.web, "trunk", {"a.py": "1\n"})
    acme.ada.set_default_branch(acme.web, "trunk")
    assert last(acme)["changes"] == {"default_branch": {"from": "main"}}
    assert last(acme)["repository"]["default_branch"] == "trunk"


async def test_new_permissions_count_from_when_they_are_accepted(acme: Acme) -> None:
    acme.github.accept_permissions(acme.installation, {"metadata": "read"})
    assert held_events(acme)[-1] == ("installation", "new_permissions_accepted")
    assert (await acme.call("GET", f"{REPO}/issues")).status == 403


async def test_comments_on_lines_come_as_sorted_and_since(acme: Acme) -> None:
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    pull = acme.ada.open_pull(acme.web, title="Fix", head="fix")
    for body in ("one", "two", "three"):
        acme.clock.forward(60)
        acme.ada.review_comment(pull, "a.py", 1, body)
    path = f"{REPO}/pulls/{pull.number}/comments"
    since = pull.review_comments[1].created_at
    listed = await acme.call("GET", f"{path}?since={since}&sort=created&direction=desc")
    assert [each["body"] for each in listed.data] == ["three", "two"]


async def test_an_issue_takes_2500_comments(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "Talk")
    for n in range(2499):
        acme.ada.comment(issue, f"{n}")
    path = f"{REPO}/issues/{issue.number}/comments"
    said = [await acme.call("POST", path, {"body": "Hello"}) for _ in range(2)]
    assert [each.status for each in said] == [201, 403]
    words = "Commenting is disabled on issues with more than 2500 comments"
    assert said[1].data["message"] == words


async def test_disabled_issues_are_out_of_reach_and_there_again_once_enabled(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "Build a rocket")
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    pull = acme.ada.open_pull(acme.web, title="Fix", head="fix")
    paths = [f"{REPO}/issues", f"{REPO}/issues/{issue.number}", f"{REPO}/issues/comments"]
    acme.ada.disable_issues(acme.web)
    answers = [await acme.call("GET", path) for path in paths]
    assert {acme.refusal(each)[:2] for each in answers} == {
        (410, "Issues are disabled for this repo")
    }
    assert (await acme.call("GET", f"{REPO}/issues/{pull.number}/comments")).status == 200
    assert (await acme.call("GET", REPO)).data["has_issues"] is False
    acme.ada.enable_issues(acme.web)
    assert {(await acme.call("GET", path)).status for path in paths} == {200}


async def test_a_restored_repository_has_all_that_was_in_it(acme: Acme) -> None:
    issue = acme.ada.open_issue(acme.web, "Build a rocket")
    acme.ada.delete_repository(acme.web)
    assert (await acme.call("GET", f"/repositories/{acme.web.id}")).status == 404
    acme.github.restore_repository(acme.web)
    found = await acme.call("GET", f"{REPO}/issues/{issue.number}")
    assert found.data["id"] == issue.id
