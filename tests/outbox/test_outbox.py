from itertools import pairwise
from typing import Any

import pytest

from bot.github.channel import Timing
from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


async def holder(workspace: Workspace, lease_s: int = 900) -> tuple[Agent, Issue, int]:
    """An agent that holds a task; the outbox is empty."""
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    claimed = await agent.call("claim_task", task=workspace.name(issue), lease_s=lease_s)
    await workspace.settle()
    return agent, issue, claimed["fence"]


def count_comments(issue: Issue, words: str) -> int:
    return sum(words in comment.body for comment in issue.comments)


@ON_SQLITE
async def test_a_comment_says_which_agent_wrote_it(workspace: Workspace) -> None:
    agent, issue, fence = await holder(workspace)
    queued = await agent.write(
        "github_comment_issue", issue=workspace.name(issue), body="Hello 🦑", fence=fence
    )
    assert (queued["state"], queued["ahead"]) == ("queued", 0)
    await workspace.settle()
    sent = await agent.write("get_write", write_id=queued["write_id"])
    assert sent["state"] == "sent"
    (comment,) = [c for c in issue.comments if c.id == sent["result"]["comment_id"]]
    assert comment.body.endswith("-->\n<sub>`scout` via Hubbub</sub>\n\nHello 🦑")


UNKNOWN = ["502_after", "close_after", "500", "502", "close"]
KINDS = {
    "comment": ("POST", r"/issues/\d+/comments$"),
    "issue": ("POST", r"/issues$"),
    "pull": ("POST", r"/pulls$"),
}


@pytest.mark.parametrize("fault", UNKNOWN)
@pytest.mark.parametrize("kind", KINDS)
@ON_SQLITE
async def test_a_write_whose_outcome_is_unknown_takes_effect_once(
    workspace: Workspace, kind: str, fault: str
) -> None:
    agent, issue, fence = await holder(workspace)
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    workspace.github.fault(*KINDS[kind], fault)
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "comment": ("github_comment_issue", {"issue": workspace.name(issue), "body": "once only"}),
        "issue": ("github_create_issue", {"repository": "acme/rocket", "title": "once only"}),
        "pull": (
            "github_create_pr",
            {"task": workspace.name(issue), "fence": fence, "head": "fix", "title": "once only"},
        ),
    }
    operation, arguments = calls[kind]
    queued = await agent.write(operation, **arguments)
    await workspace.settle()
    effects = {
        "comment": count_comments(issue, "once only"),
        "issue": sum(i.title == "once only" and not i.pull for i in issues(workspace)),
        "pull": sum(p.title == "once only" for p in workspace.repository.pulls.values()),
    }
    assert effects[kind] == 1
    assert (await agent.write("get_write", write_id=queued["write_id"]))["state"] == "sent"


def issues(workspace: Workspace) -> list[Issue]:
    return list(workspace.repository.issues.values())


@pytest.mark.parametrize("fault", ["secondary", "secondary_no_retry_after", "429"])
async def test_when_github_says_wait_nothing_is_sent_until_then(
    workspace: Workspace, fault: str
) -> None:
    agent, issue, _ = await holder(workspace)
    workspace.github.fault("POST", r"/comments$", fault)
    began = workspace.clock()
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="patience")
    await workspace.settle()
    assert count_comments(issue, "patience") == 1
    assert workspace.clock() - began >= 60_000_000
    assert workspace.github.sent_while_limited == 0


async def test_what_github_refuses_comes_back_to_the_agent(workspace: Workspace) -> None:
    agent, issue, _ = await holder(workspace)
    workspace.person.delete_issue(issue)
    queued = await agent.write(
        "github_create_pr", repository="acme/rocket", head="main", base="old", title="x"
    )
    await workspace.settle()
    refused = await agent.write("get_write", write_id=queued["write_id"])
    assert refused["state"] == "refused"
    assert refused["refusal"]["code"] == "github_refused"
    assert refused["refusal"]["details"]["status"] == 422


@ON_SQLITE
async def test_writes_are_a_second_apart(workspace: Workspace) -> None:
    agent, issue, _ = await holder(workspace)
    for n in range(5):
        await agent.write("github_comment_issue", issue=workspace.name(issue), body=f"number {n}")
    await workspace.settle()
    sent = [r.at for r in workspace.github.requests if r.method == "POST" and "/comments" in r.path]
    assert all(b - a >= 1 for a, b in pairwise(sent))
    assert [count_comments(issue, f"number {n}") for n in range(5)] == [1] * 5


async def test_a_fenced_write_is_not_sent_after_its_lease_was_taken_away(
    workspace: Workspace,
) -> None:
    agent, issue, fence = await holder(workspace)
    queued = await agent.write(
        "github_comment_issue", issue=workspace.name(issue), body="too late", fence=fence
    )
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("release_task", task=workspace.name(issue))
    await workspace.settle()
    assert count_comments(issue, "too late") == 0
    told = await agent.write("get_write", write_id=queued["write_id"])
    assert (told["state"], told["refusal"]["code"]) == ("cancelled", "stale_fence")


async def test_what_was_queued_before_a_proper_release_still_goes_out(workspace: Workspace) -> None:
    agent, issue, fence = await holder(workspace)
    await agent.write(
        "github_comment_issue", issue=workspace.name(issue), body="farewell", fence=fence
    )
    await agent.call("release_task", task=workspace.name(issue), fence=fence)
    await workspace.settle()
    assert count_comments(issue, "farewell") == 1


async def test_a_fenced_write_is_not_sent_after_its_lease_ran_out_unnoticed(
    workspace: Workspace,
) -> None:
    agent, issue, fence = await holder(workspace)
    await agent.write(
        "github_comment_issue", issue=workspace.name(issue), body="too late", fence=fence
    )
    workspace.clock.forward(901)
    await workspace.settle()
    assert count_comments(issue, "too late") == 0


async def test_there_is_one_card_and_it_is_edited_in_place(workspace: Workspace) -> None:
    agent, issue, fence = await holder(workspace, 86_400)
    for progress in (10, 20, 30):
        await agent.call(
            "update_task_status",
            task=workspace.name(issue),
            status="in_progress",
            progress=progress,
            fence=fence,
        )
    await workspace.settle()
    (card,) = issue.comments
    assert "Progress: 30%." in card.body
    edits = [r for r in workspace.github.requests if r.method == "PATCH"]
    assert len(edits) == 1  # what was queued in between was outdated


async def test_a_card_that_somebody_deleted_comes_back_with_the_next_change(
    workspace: Workspace,
) -> None:
    agent, issue, fence = await holder(workspace, 86_400)
    workspace.person.delete_comment(issue.comments[0])
    await workspace.settle()
    here = {"task": workspace.name(issue), "fence": fence}
    await agent.call("update_task_status", **here, status="completed", result="All is done")
    await workspace.settle()
    (card,) = [c for c in issue.comments if not c.deleted]
    assert "All is done" in card.body
    assert not [r for r in workspace.github.requests if r.method == "PATCH" and r.status == 404]


async def test_a_pull_request_names_its_issue_and_its_merge_completes_the_task(
    workspace: Workspace,
) -> None:
    agent, issue, fence = await holder(workspace)
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.write(
        "github_create_pr", task=workspace.name(issue), fence=fence, head="fix", title="Mend it"
    )
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    assert f"Closes #{issue.number}" in (pull.body or "")
    workspace.person.merge(pull)
    await workspace.settle()
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    assert (task["state"], task["pull_request"], task["holder"]) == (
        "completed",
        pull.number,
        None,
    )
    assert issue.state == "closed"


async def test_an_open_pull_request_of_the_branch_is_adopted(workspace: Workspace) -> None:
    agent, issue, fence = await holder(workspace)
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    pull = workspace.person.open_pull(workspace.repository, title="By hand", head="fix")
    await workspace.settle()
    queued = await agent.write(
        "github_create_pr", task=workspace.name(issue), fence=fence, head="fix", title="Mend it"
    )
    await workspace.settle()
    sent = await agent.write("get_write", write_id=queued["write_id"])
    assert (sent["state"], sent["result"]["number"]) == ("sent", pull.number)


async def test_a_token_is_minted_once_and_again_before_it_expires(workspace: Workspace) -> None:
    agent, issue, _ = await holder(workspace)
    for _ in range(3):
        await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
        await workspace.settle()
    assert count_tokens(workspace) == 1
    workspace.clock.forward(59 * 60)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="y")
    await workspace.settle()
    assert count_tokens(workspace) == 2


def count_tokens(workspace: Workspace) -> int:
    return sum("access_tokens" in r.path for r in workspace.github.requests)


@ON_SQLITE
async def test_an_agents_write_is_no_other_agents_business(workspace: Workspace) -> None:
    agent, issue, _ = await holder(workspace)
    other = await workspace.agent("other")
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
    refused = await other.refusal("get_write", write_id=queued["write_id"])
    assert refused.code == "unknown_write"


@pytest.mark.parametrize("kind", ["comment", "issue", "pull", "card"])
async def test_a_sender_that_dies_after_it_sent_leaves_one_effect(
    workspace: Workspace, kind: str
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    if kind != "card":
        await workspace.settle()
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    while await workspace.process_delivery():
        pass
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "comment": ("github_comment_issue", {"issue": workspace.name(issue), "body": "once only"}),
        "issue": ("github_create_issue", {"repository": "acme/rocket", "title": "once only"}),
        "pull": (
            "github_create_pr",
            {"task": workspace.name(issue), "fence": fence, "head": "fix", "title": "once only"},
        ),
    }
    if kind in calls:
        operation, arguments = calls[kind]
        await agent.call(operation, **arguments)
    await workspace.die_while_sending()
    (left,) = await workspace.rows(
        "SELECT kind FROM writes WHERE installation_id = :i AND state = 'sending'"
    )
    assert left["kind"] == kind
    await workspace.settle()
    effects = {
        "comment": count_comments(issue, "once only"),
        "issue": sum(i.title == "once only" and not i.pull for i in issues(workspace)),
        "pull": sum(p.title == "once only" for p in workspace.repository.pulls.values()),
        "card": count_comments(issue, "**Hubbub**"),
    }
    assert effects[kind] == 1
    states = await workspace.rows("SELECT DISTINCT state FROM writes WHERE installation_id = :i")
    assert {row["state"] for row in states} <= {"sent", "superseded"}


async def test_a_successor_waits_until_the_dead_senders_last_request_is_over(
    workspace: Workspace,
) -> None:
    agent, issue, _ = await holder(workspace)
    for body in ("once only", "and then this"):
        await agent.write("github_comment_issue", issue=workspace.name(issue), body=body)
    await workspace.die_while_sending()
    died, before = workspace.clock(), len(workspace.github.requests)
    await workspace.settle()
    later = [request.at for request in workspace.github.requests[before:]]
    assert min(later) * 1_000_000 > died + Timing().lease
    assert [count_comments(issue, "once only"), count_comments(issue, "and then this")] == [1, 1]
