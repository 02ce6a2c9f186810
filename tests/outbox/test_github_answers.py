"""Odd answers of GitHub to a write: each takes effect once, waits, or says why not.

On SQLite only, because what an answer means is decided before the database comes in.
"""

from typing import Any

import pytest

from tests.outbox.test_writes import outcome, send
from tests.support.story import Workspace

R = {"repository": "acme/rocket"}
FILE = {"branch": "agent/new", "message": "Mend it", "files": [{"path": "a", "content": "x"}]}
COMMENTS = r"/issues/\d+/comments$"


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """The engine plays no part."""
    return sqlite_url


def commits(workspace: Workspace, words: str) -> int:
    return sum(words in each.message for each in workspace.repository.commits.values())


async def waiting_time(workspace: Workspace, write: Any) -> float:
    """The seconds until a write is sent."""
    began = workspace.clock()
    await write
    return (workspace.clock() - began) / 1e6


@pytest.mark.parametrize("fault", ["beside", "service_unavailable", "service_unavailable_after"])
async def test_a_commit_whose_answer_has_errors_is_made_once(
    workspace: Workspace, fault: str
) -> None:
    agent = await workspace.agent("scout")
    workspace.github.fault("POST", r"/graphql$", fault)
    await send(agent, workspace, "github_commit_files", **R, **FILE)
    assert commits(workspace, "Mend it") == 1


@pytest.mark.parametrize("fault", ["too_quickly", "abuse"])
async def test_what_was_written_too_quickly_is_written_a_minute_later(
    workspace: Workspace, fault: str
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    workspace.github.fault("POST", COMMENTS, fault)
    here = {"issue": workspace.name(issue), "body": "hello"}
    assert (
        await waiting_time(workspace, send(agent, workspace, "github_comment_issue", **here)) >= 60
    )
    assert len(issue.comments) == 1
    limits = {x["name"]: x for x in (await agent.call("get_budget"))["buckets"]}
    assert "secondary" in limits


# --- No token ------------------------------------------------------------------------------------


async def pass_hours(workspace: Workspace, hours: float, every_s: float = 30) -> None:
    """Worker and sender go on for so long."""
    end = workspace.clock() + hours * 3600e6
    while workspace.clock() < end:
        while await workspace.process_delivery():
            pass
        wait = await workspace.sender.step(workspace.installation.id)
        workspace.clock.forward(every_s if wait is None else min(wait, every_s))


def token_requests(workspace: Workspace) -> int:
    return sum(each.path.endswith("/access_tokens") for each in workspace.github.requests)


@pytest.mark.parametrize("webhook", ["comes", "is lost"])
async def test_a_write_outlasts_a_suspension_and_says_why_it_waits(
    workspace: Workspace, webhook: str
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="hello")
    if webhook == "is lost":
        workspace.github.lose_deliveries(1)
    workspace.github.suspend(workspace.installation)
    before = token_requests(workspace)
    await pass_hours(workspace, 3)
    waiting = await agent.write("get_write", write_id=queued["write_id"])
    assert (waiting["state"], "refusal" in waiting) == ("queued", False)
    assert "suspended" in waiting["waits_because"]
    # One that is known to be suspended is not asked.
    assert token_requests(workspace) - before <= 1
    workspace.github.lose_deliveries(0)
    workspace.github.unsuspend(workspace.installation)
    await workspace.settle()
    done = await agent.write("get_write", write_id=queued["write_id"])
    assert (done["state"], "waits_because" in done) == ("sent", False)
    assert len(issue.comments) == 1


async def test_a_write_outlasts_hours_in_which_github_accepts_no_token(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="hello")
    for path in (COMMENTS, r"/access_tokens$"):
        workspace.github.fault("POST", path, "401", times=1000)
    await pass_hours(workspace, 3)
    waiting = await agent.write("get_write", write_id=queued["write_id"])
    assert waiting["state"] == "queued"
    assert "Bad credentials" in waiting["waits_because"]
    assert "hubbub doctor" in waiting["waits_because"]
    assert sum(x["writes"] for x in (await agent.call("get_budget"))["spent"]) == 0
    workspace.github.clear_faults()
    await workspace.settle()
    assert (await agent.write("get_write", write_id=queued["write_id"]))["state"] == "sent"


@pytest.mark.parametrize(
    ("operation", "path"), [("github_comment_issue", COMMENTS), ("github_commit_files", "graphql$")]
)
async def test_a_write_outlasts_an_ip_allow_list_without_this_server_and_says_why_it_waits(
    workspace: Workspace, operation: str, path: str
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    comment = {"issue": workspace.name(issue), "body": "hello"}
    workspace.github.fault("POST", path, "allow_list", times=1000)
    queued = await agent.write(operation, **(comment if path == COMMENTS else {**R, **FILE}))
    await pass_hours(workspace, 3)
    waiting = await agent.write("get_write", write_id=queued["write_id"])
    assert (waiting["state"], "refusal" in waiting) == ("queued", False)
    assert "IP allow list" in waiting["waits_because"]
    assert "suspension" not in waiting["waits_because"]
    workspace.github.clear_faults()
    await workspace.settle()
    assert (await agent.write("get_write", write_id=queued["write_id"]))["state"] == "sent"


async def test_a_look_that_gets_no_token_is_no_failure_of_the_write(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    workspace.github.fault("POST", COMMENTS, "502_after")
    workspace.github.lose_deliveries(1)
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="hello")
    workspace.github.fault("GET", COMMENTS, "401", times=1000)
    await pass_hours(workspace, 3, every_s=300)
    waiting = await agent.write("get_write", write_id=queued["write_id"])
    assert waiting["state"] == "unknown"
    workspace.github.clear_faults()
    await workspace.settle()
    assert (await agent.write("get_write", write_id=queued["write_id"]))["state"] == "sent"
    assert len(issue.comments) == 1


async def test_a_proxy_that_redirects_elsewhere_refuses_nothing(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    workspace.github.fault("POST", COMMENTS, "elsewhere", times=3)
    await send(agent, workspace, "github_comment_issue", issue=workspace.name(issue), body="hello")
    assert len(issue.comments) == 1


# --- What was made a moment ago ------------------------------------------------------------------


COMMIT = {
    "branch": "agent/new",
    "message": "m",
    "files": [{"path": "a.py", "content": "1"}],
}


@pytest.mark.parametrize("fault", ["head_invalid", "no_commits", "404"])
async def test_a_pull_request_of_a_branch_that_github_does_not_know_yet_is_opened(
    workspace: Workspace, fault: str
) -> None:
    agent = await workspace.agent("scout")
    await agent.write("github_commit_files", **R, **COMMIT)
    workspace.github.fault("POST", r"/pulls$", fault, times=2)
    await send(agent, workspace, "github_create_pr", **R, head="agent/new", title="Mend")
    assert len(workspace.repository.pulls) == 1


async def test_a_refusal_of_what_was_made_a_moment_ago_holds_in_the_end(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    await agent.write("github_commit_files", **R, **COMMIT)
    workspace.github.fault("POST", r"/pulls$", "head_invalid", times=99)
    here = {**R, "head": "agent/new", "title": "Mend"}
    refused = await outcome(agent, workspace, "github_create_pr", **here)
    assert refused["state"] == "refused"
    assert "head invalid" in refused["refusal"]["message"]
    asked = [each for each in workspace.github.requests if each.path.endswith("/pulls")]
    assert len([each for each in asked if each.method == "POST"]) == 3


async def test_a_refusal_of_what_was_there_before_holds_at_once(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await workspace.settle()
    workspace.github.fault("POST", r"/pulls$", "head_invalid")
    refused = await outcome(agent, workspace, "github_create_pr", **R, head="fix", title="x")
    assert refused["state"] == "refused"
