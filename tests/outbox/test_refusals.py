"""What GitHub refuses comes back to its author in words that help."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.github.outcomes import classify, status_of
from bot.github.requests import Answer
from bot.outbox.kinds import KINDS
from bot.outbox.refusals import error_body
from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

Scene = Callable[[Workspace, Issue], None]


def no_permission(workspace: Workspace, _: Issue) -> None:
    granted = {**workspace.installation.permissions, "issues": "read", "pull_requests": "read"}
    workspace.github.accept_permissions(workspace.installation, granted)


def archive(workspace: Workspace, _: Issue) -> None:
    workspace.person.archive(workspace.repository)


def delete(workspace: Workspace, issue: Issue) -> None:
    workspace.person.delete_issue(issue)


@pytest.mark.parametrize(
    ("scene", "status", "reason"),
    [
        (no_permission, 403, "missing_permission"),
        (archive, 403, "archived"),
        (delete, 410, "gone"),
    ],
)
@ON_SQLITE
async def test_a_refusal_says_why(
    workspace: Workspace, scene: Scene, status: int, reason: str
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
    workspace.github.hold_deliveries()
    scene(workspace, issue)
    workspace.clock.forward(3600)  # a token keeps what it was given
    await workspace.settle()
    refused = await agent.write("get_write", write_id=queued["write_id"])
    assert (refused["state"], refused["refusal"]["code"]) == ("refused", "github_refused")
    details = refused["refusal"]["details"]
    assert (details["status"], details["reason"]) == (status, reason)
    if scene is no_permission:
        assert details["accepted_permissions"] == "issues=write; pull_requests=write"
        assert "issues=write" in refused["refusal"]["message"]


def graphql(**error: Any) -> Answer:
    return Answer(200, {}, {"data": {"x": None}, "errors": [error]})


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (graphql(type="NOT_FOUND", message="Could not resolve"), 404),
        (graphql(type="FORBIDDEN", message="Resource not accessible by integration"), 403),
        (graphql(type="STALE_DATA", message="Expected branch to point to"), 409),
        (graphql(type="UNPROCESSABLE", message="no"), 422),
        # GitHub's own trouble has no type: what came of it nobody knows.
        (graphql(message="Something went wrong while executing your query."), 500),
        (Answer(200, {}, {"data": {}}), 200),
        (Answer(200, {}, {"errors": "?"}), 200),
        (Answer(200, {}, [{"errors": [{"type": "NOT_FOUND"}]}]), 200),
        (Answer(404, {}, {"errors": [{"type": "FORBIDDEN"}]}), 404),
    ],
)
def test_what_graphql_says_in_the_body_is_read_as_a_status(answer: Answer, status: int) -> None:
    assert status_of(answer) == status


def test_without_a_word_of_github_the_table_names_the_permission() -> None:
    answer = graphql(type="FORBIDDEN", message="Resource not accessible by integration")
    error = error_body(KINDS["commit"], classify(answer), {})
    assert error["details"]["accepted_permissions"] == "contents=write"


@pytest.mark.parametrize("data", [None, "", [], {"message": 7}, {"errors": [None, 7, {}]}])
def test_a_refusal_without_sense_is_still_told(data: Any) -> None:
    error = error_body(KINDS["comment"], classify(Answer(422, {}, data)), {})
    assert error["message"].startswith("GitHub refused it (422)")
    assert error["details"]["reason"] == "invalid"


async def test_a_wait_is_not_forgotten_by_a_restart(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    workspace.github.fault("POST", r"/comments$", "secondary", seconds=600)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="patience")
    while not any(r.status == 403 for r in workspace.github.requests):
        workspace.clock.forward(await workspace.sender.step(workspace.installation.id) or 0)
    began = workspace.clock()
    await workspace.sender.release()
    workspace.restart()
    await workspace.settle()
    assert workspace.clock() - began >= 599_000_000
    assert any("patience" in each.body for each in issue.comments)


async def test_what_was_spent_of_the_hour_is_not_forgotten_by_a_restart(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    for n in range(30):
        await agent.write("github_create_issue", repository="acme/rocket", title=f"{n}")
    await workspace.settle()
    before = await content_left(workspace)
    workspace.restart()
    assert await content_left(workspace) == pytest.approx(before, abs=1)


async def content_left(workspace: Workspace) -> int:
    agent = await workspace.agent("watcher", "observer")
    (content,) = [
        each for each in (await agent.call("get_budget"))["buckets"] if each["name"] == "content"
    ]
    left: int = content["left"]
    assert left < content["limit"]
    return left
