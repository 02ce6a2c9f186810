"""What an agent sees around a task: relations, pull requests, checks, boards; at no call."""

from typing import Any

import pytest

from bot.mirror.issue_links import Link, links
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace


async def around(workspace: Workspace, number: int) -> dict[str, Any]:
    agent = await workspace.agent("looker", "observer")
    asked = len(workspace.github.requests)
    found = await agent.call("get_task", task=f"acme/rocket#{number}")
    assert len(workspace.github.requests) == asked
    return dict(found["around"])


async def test_a_task_shows_its_parent_its_children_and_its_blockers(workspace: Workspace) -> None:
    whole, part, first = [await workspace.task(title) for title in ("Whole", "Part", "First")]
    workspace.person.add_sub_issue(whole, part)
    workspace.person.block(part, first)
    await workspace.settle()
    seen = await around(workspace, part.number)
    assert seen["parent"] == {"issue": "acme/rocket#1", "title": "Whole", "state": "open"}
    assert seen["blocked_by"] == [{"issue": "acme/rocket#3", "title": "First", "state": "open"}]
    assert [each["title"] for each in (await around(workspace, 1))["sub_issues"]] == ["Part"]
    workspace.person.close(first)
    workspace.person.remove_sub_issue(part)
    await workspace.settle()
    seen = await around(workspace, part.number)
    assert (seen["parent"], seen["blocked_by"][0]["state"]) == (None, "closed")


async def test_a_blocker_in_a_repository_the_app_does_not_see_is_named(
    workspace: Workspace,
) -> None:
    elsewhere = workspace.github.repository("acme/secret", private=True)
    workspace.github.set_permission("acme/secret", "octocat", "admin")
    far = workspace.person.open_issue(elsewhere, "Far away")
    here = await workspace.task()
    workspace.person.block(here, far)
    await workspace.settle()
    assert (await around(workspace, 1))["blocked_by"] == [
        {"issue": "acme/secret#1", "title": None, "state": "open"}
    ]


@ON_SQLITE
async def test_nothing_is_told_of_an_issue_whose_repository_left(workspace: Workspace) -> None:
    secret = workspace.github.repository("acme/secret", private=True)
    workspace.github.set_permission("acme/secret", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/secret"])
    await workspace.settle()
    issue, other = await workspace.task(), workspace.person.open_issue(secret, "Merger")
    workspace.person.block(issue, by=other)
    await workspace.settle()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    assert "acme/secret" in str(await agent.call("explain_task", task=where))
    workspace.github.remove_repositories(workspace.installation, ["acme/secret"])
    await workspace.settle()
    told = (
        f"{await agent.call('get_task', task=where)} {await agent.call('explain_task', task=where)}"
    )
    assert "an issue out of reach" in told
    assert "Merger" not in told
    assert "secret" not in told


async def test_a_pull_request_shows_what_it_touches_and_what_it_waits_for(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    here, person, ci = workspace.repository, workspace.person, workspace.github.ci
    reviewer = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    person.push(here, "mend", {"engine.py": "1\n", "doc.md": "x\n"})
    pull = person.open_pull(here, title="Mend", head="mend", body=f"Fixes #{issue.number}")
    lint = ci.start_check(here, pull.head_sha, "lint")
    reviewer.review(pull, "changes_requested", "No")
    note = reviewer.review_comment(pull, "engine.py", 1, "Why 1?")
    person.resolve(note)
    person.unresolve(note)
    await workspace.settle()
    (seen,) = (await around(workspace, issue.number))["pull_requests"]
    assert seen["pull_request"] == f"acme/rocket#{pull.number}"
    assert sorted(seen["files"]) == ["doc.md", "engine.py"]
    assert seen["review"] == "changes_requested"
    assert seen["waits_for"] == [
        "changes were requested by @hubot",
        "checks are running: lint",
        "1 review thread is unresolved",
    ]
    ci.finish_check(lint, "failure")
    person.resolve(note)
    workspace.clock.forward(1)
    reviewer.review(pull, "approved", "Yes")
    await workspace.settle()
    (seen,) = (await around(workspace, issue.number))["pull_requests"]
    assert (seen["review"], seen["checks_failed"]) == ("approved", ["lint"])
    assert seen["waits_for"] == ["checks failed: lint"]
    person.push(here, "mend", {"more.py": "2\n"})
    check = ci.start_check(here, pull.head_sha, "lint")
    ci.finish_check(check)
    await workspace.settle()
    (seen,) = (await around(workspace, issue.number))["pull_requests"]
    # One of them is Hubbub's own.
    assert (seen["waits_for"], seen["checks_passed"]) == ([], 2)
    assert sorted(seen["files"]) == ["doc.md", "engine.py", "more.py"]
    person.merge(pull)
    await workspace.settle()
    (seen,) = (await around(workspace, issue.number))["pull_requests"]
    assert seen["state"] == "merged"


@ON_SQLITE
async def test_a_branch_named_for_the_task_links_its_pull_request(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.push(workspace.repository, f"agent/{issue.number}-mend", {"a.py": "1\n"})
    workspace.person.open_pull(
        workspace.repository, title="Mend", head=f"agent/{issue.number}-mend"
    )
    await workspace.settle()
    assert len((await around(workspace, issue.number))["pull_requests"]) == 1


async def test_status_on_a_board_is_known_without_a_call(workspace: Workspace) -> None:
    issue = await workspace.task()
    board = workspace.person.create_project("acme", "Launch")
    item = workspace.person.add_to_project(board, issue)
    await workspace.settle()
    asked = len(workspace.github.requests)
    workspace.clock.forward(1)
    workspace.person.set_status(item, "In Progress")
    await workspace.settle()
    assert len(workspace.github.requests) == asked
    (place,) = (await around(workspace, issue.number))["boards"]
    assert place == {
        "project": board.number,
        "title": "Launch",
        "field": "Status",
        "status": "In Progress",
    }
    workspace.person.archive_item(item)
    await workspace.settle()
    assert (await around(workspace, issue.number))["boards"] == []


async def test_boards_of_before_come_with_the_backfill(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.github.hold_deliveries()
    board = workspace.person.create_project("acme", "Launch")
    item = workspace.person.add_to_project(board, issue)
    workspace.person.set_status(item, "Done")
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    await workspace.begin_backfill()
    await workspace.settle()
    (place,) = (await around(workspace, issue.number))["boards"]
    assert (place["title"], place["status"]) == ("Launch", "Done")


async def test_a_task_goes_along_when_its_issue_is_transferred(workspace: Workspace) -> None:
    issue = await workspace.task("Mend it")
    elsewhere = workspace.github.repository("acme/lander", private=True)
    workspace.github.set_permission("acme/lander", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/lander"])
    await workspace.settle()
    agent = await workspace.agent("a")
    claimed = await agent.call("claim_task", task=workspace.name(issue))
    moved = workspace.person.transfer_issue(issue, elsewhere)
    await workspace.settle()
    (task,) = (await agent.call("list_tasks", state="any", detail="full"))["tasks"]
    assert task["task"] == f"acme/lander#{moved.number}"
    assert (task["id"], task["holder"]) == (claimed["task"]["id"], "a")


async def test_comments_go_along_with_their_issue_in_any_order_of_events(
    workspace: Workspace,
) -> None:
    issue = await workspace.task("Mend it")
    elsewhere = workspace.github.repository("acme/lander", private=True)
    workspace.github.set_permission("acme/lander", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/lander"])
    workspace.person.comment(issue, "Before")
    await workspace.settle()
    workspace.github.hold_deliveries()
    workspace.person.comment(issue, "Heard late")
    moved = workspace.person.transfer_issue(issue, elsewhere)
    late = [each for each in workspace.github.held_deliveries if each.event == "issue_comment"]
    for each in [*reversed(workspace.github.held_deliveries), *late]:
        await workspace.github.post(each)
        await workspace.settle()
    agent = await workspace.agent("a")
    seen = await agent.call("get_task", task=f"acme/lander#{moved.number}")
    assert [each["text"] for each in seen["comments"]] == ["Before", "Heard late"]


async def test_an_issue_transferred_out_of_reach_ends_its_task(workspace: Workspace) -> None:
    issue = await workspace.task("Mend it")
    elsewhere = workspace.github.repository("acme/lander", private=True)
    workspace.github.set_permission("acme/lander", "octocat", "admin")
    workspace.person.transfer_issue(issue, elsewhere)
    await workspace.settle()
    agent = await workspace.agent("a")
    (task,) = (await agent.call("list_tasks", state="any", detail="full"))["tasks"]
    assert task["state"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("Closes #12", [Link("", 12, "closes")]),
        (
            "fixes: #3 and RESOLVED acme/lander#4",
            [Link("", 3, "closes"), Link("acme/lander", 4, "closes")],
        ),
        ("close https://github.com/Acme/Rocket/issues/7", [Link("acme/rocket", 7, "closes")]),
        ("See #12; it encloses #13", []),
        ("`fixes #1`", []),
        ("```\nfixes #1\n```\nfix #2", [Link("", 2, "closes")]),
        ("<!-- fixes #1 --> done", []),
        ("fixes #0", []),
        ("fixes\n#5", []),
    ],
)
def test_closing_words_are_githubs(body: str, found: list[Link]) -> None:
    assert links(body, "main") == found


@pytest.mark.parametrize(
    ("branch", "number"),
    [
        ("12-mend-it", 12),
        ("agent/12-mend", 12),
        ("octocat/issue-7", 7),
        ("task-9-go", 9),
        ("main", None),
        ("v2", None),
        ("mend-12", None),
        ("x/y/3", 3),
    ],
)
def test_a_branch_may_be_named_for_an_issue(branch: str, number: int | None) -> None:
    assert links("", branch) == ([Link("", number, "branch")] if number else [])


async def test_who_left_the_team_is_asked_about_again(workspace: Workspace) -> None:
    issue = await workspace.task()
    hubot = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    await workspace.settle()
    hubot.comment(issue, "/claim")
    await workspace.settle()
    workspace.github.set_permission("acme/rocket", "hubot", None)
    await workspace.settle()
    workspace.github.set_permission("acme/rocket", "hubot", "read")
    hubot.comment(issue, "/release")
    await workspace.settle()
    agent = await workspace.agent("a")
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    assert task["holder"] == "@hubot"


async def test_tasks_are_listed_by_label_and_by_assignee_in_any_letter_case(
    workspace: Workspace,
) -> None:
    bug, other = await workspace.task("A bug"), await workspace.task("No bug")
    workspace.person.add_label(bug, "Bug")
    workspace.person.assign(other, "octocat")
    await workspace.settle()
    agent = await workspace.agent("a")

    async def titles(**given: str) -> list[str]:
        return [each["title"] for each in (await agent.call("list_tasks", **given))["tasks"]]

    assert await titles(label="bUG") == ["A bug"]
    assert await titles(label="bu") == []
    assert await titles(assignee="OctoCat") == ["No bug"]
    assert await titles(assignee="cat") == []


async def test_a_task_with_an_open_blocker_is_not_offered(workspace: Workspace) -> None:
    first, second = await workspace.task("Blocked"), await workspace.task("Blocker")
    workspace.person.block(first, second)
    await workspace.settle()
    agent = await workspace.agent("a")
    assert (await agent.call("claim_task"))["task"]["title"] == "Blocker"
    assert (await agent.refusal("claim_task")).code == "nothing_ready"
    workspace.person.close(second)
    await workspace.settle()
    assert (await agent.call("claim_task"))["task"]["title"] == "Blocked"
