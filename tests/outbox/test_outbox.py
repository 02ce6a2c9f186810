from itertools import pairwise
from typing import Any

import pytest

from bot.github.channel import Timing
from fixtures.github import Issue
from tests.support.story import Agent, Town


async def holder(town: Town, lease_s: int = 900) -> tuple[Agent, Issue, int]:
    """An agent that holds a task; the outbox is empty."""
    issue = await town.task()
    agent = await town.agent("scout")
    claimed = await agent.call("claim_task", task=town.name(issue), lease_s=lease_s)
    await town.settle()
    return agent, issue, claimed["fence"]


def said(issue: Issue, words: str) -> int:
    return sum(words in comment.body for comment in issue.comments)


async def test_a_comment_says_which_agent_wrote_it(town: Town) -> None:
    agent, issue, fence = await holder(town)
    queued = await agent.call(
        "github_comment_issue", issue=town.name(issue), body="Hello 🦑", fence=fence
    )
    assert (queued["state"], queued["ahead"]) == ("queued", 0)
    await town.settle()
    sent = await agent.call("get_write", write_id=queued["write_id"])
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
async def test_a_write_whose_outcome_is_unknown_takes_effect_once(
    town: Town, kind: str, fault: str
) -> None:
    agent, issue, fence = await holder(town)
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    town.github.fault(*KINDS[kind], fault)
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "comment": ("github_comment_issue", {"issue": town.name(issue), "body": "once only"}),
        "issue": ("github_create_issue", {"repository": "acme/rocket", "title": "once only"}),
        "pull": (
            "github_create_pr",
            {"task": town.name(issue), "fence": fence, "head": "fix", "title": "once only"},
        ),
    }
    operation, arguments = calls[kind]
    queued = await agent.call(operation, **arguments)
    await town.settle()
    effects = {
        "comment": said(issue, "once only"),
        "issue": sum(i.title == "once only" and not i.pull for i in issues(town)),
        "pull": sum(p.title == "once only" for p in town.repository.pulls.values()),
    }
    assert effects[kind] == 1
    assert (await agent.call("get_write", write_id=queued["write_id"]))["state"] == "sent"


def issues(town: Town) -> list[Issue]:
    return list(town.repository.issues.values())


@pytest.mark.parametrize("fault", ["secondary", "secondary_no_retry_after", "429"])
async def test_when_github_says_wait_nothing_is_sent_until_then(town: Town, fault: str) -> None:
    agent, issue, _ = await holder(town)
    town.github.fault("POST", r"/comments$", fault)
    began = town.clock()
    await agent.call("github_comment_issue", issue=town.name(issue), body="patience")
    await town.settle()
    assert said(issue, "patience") == 1
    assert town.clock() - began >= 60_000_000
    assert town.github.sent_while_limited == 0


async def test_what_github_refuses_comes_back_to_the_agent(town: Town) -> None:
    agent, issue, _ = await holder(town)
    town.person.delete_issue(issue)
    queued = await agent.call(
        "github_create_pr", repository="acme/rocket", head="main", base="old", title="x"
    )
    await town.settle()
    refused = await agent.call("get_write", write_id=queued["write_id"])
    assert refused["state"] == "refused"
    assert refused["refusal"]["code"] == "github_refused"
    assert refused["refusal"]["details"]["status"] == 422


async def test_writes_are_a_second_apart(town: Town) -> None:
    agent, issue, _ = await holder(town)
    for n in range(5):
        await agent.call("github_comment_issue", issue=town.name(issue), body=f"number {n}")
    await town.settle()
    sent = [r.at for r in town.github.requests if r.method == "POST" and "/comments" in r.path]
    assert all(b - a >= 1 for a, b in pairwise(sent))
    assert [said(issue, f"number {n}") for n in range(5)] == [1] * 5


async def test_a_fenced_write_is_not_sent_after_its_lease_was_taken_away(town: Town) -> None:
    agent, issue, fence = await holder(town)
    queued = await agent.call(
        "github_comment_issue", issue=town.name(issue), body="too late", fence=fence
    )
    lead = await town.agent("lead", "tech-lead")
    await lead.call("release_task", task=town.name(issue))
    await town.settle()
    assert said(issue, "too late") == 0
    told = await agent.call("get_write", write_id=queued["write_id"])
    assert (told["state"], told["refusal"]["code"]) == ("cancelled", "stale_fence")


async def test_what_was_queued_before_a_proper_release_still_goes_out(town: Town) -> None:
    agent, issue, fence = await holder(town)
    await agent.call("github_comment_issue", issue=town.name(issue), body="farewell", fence=fence)
    await agent.call("release_task", task=town.name(issue), fence=fence)
    await town.settle()
    assert said(issue, "farewell") == 1


async def test_a_fenced_write_is_not_sent_after_its_lease_ran_out_unnoticed(town: Town) -> None:
    agent, issue, fence = await holder(town)
    await agent.call("github_comment_issue", issue=town.name(issue), body="too late", fence=fence)
    town.clock.forward(901)
    await town.settle()
    assert said(issue, "too late") == 0


async def test_there_is_one_card_and_it_is_edited_in_place(town: Town) -> None:
    agent, issue, fence = await holder(town, 86_400)
    for progress in (10, 20, 30):
        await agent.call(
            "update_task_status",
            task=town.name(issue),
            status="in_progress",
            progress=progress,
            fence=fence,
        )
    await town.settle()
    (card,) = issue.comments
    assert "Progress: 30%." in card.body
    edits = [r for r in town.github.requests if r.method == "PATCH"]
    assert len(edits) == 1  # what was queued in between was outdated


async def test_a_card_that_somebody_deleted_comes_back_with_the_next_change(town: Town) -> None:
    agent, issue, fence = await holder(town, 86_400)
    town.person.delete_comment(issue.comments[0])
    await town.settle()
    for progress in (10, 20):
        await agent.call(
            "update_task_status",
            task=town.name(issue),
            status="in_progress",
            progress=progress,
            fence=fence,
        )
        await town.settle()
    (card,) = [c for c in issue.comments if not c.deleted]
    assert "Progress: 20%." in card.body


async def test_a_pull_request_names_its_issue_and_its_merge_completes_the_task(town: Town) -> None:
    agent, issue, fence = await holder(town)
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.call(
        "github_create_pr", task=town.name(issue), fence=fence, head="fix", title="Mend it"
    )
    await town.settle()
    (pull,) = town.repository.pulls.values()
    assert f"Closes #{issue.number}" in (pull.body or "")
    town.person.merge(pull)
    await town.settle()
    task = (await agent.call("get_task", task=town.name(issue)))["task"]
    assert (task["state"], task["pull_request"], task["holder"]) == (
        "completed",
        pull.number,
        None,
    )
    assert issue.state == "closed"


async def test_an_open_pull_request_of_the_branch_is_adopted(town: Town) -> None:
    agent, issue, fence = await holder(town)
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    pull = town.person.open_pull(town.repository, title="By hand", head="fix")
    await town.settle()
    queued = await agent.call(
        "github_create_pr", task=town.name(issue), fence=fence, head="fix", title="Mend it"
    )
    await town.settle()
    sent = await agent.call("get_write", write_id=queued["write_id"])
    assert (sent["state"], sent["result"]["number"]) == ("sent", pull.number)


async def test_a_token_is_minted_once_and_again_before_it_expires(town: Town) -> None:
    agent, issue, _ = await holder(town)
    for _ in range(3):
        await agent.call("github_comment_issue", issue=town.name(issue), body="x")
        await town.settle()
    assert minted(town) == 1
    town.clock.forward(59 * 60)
    await agent.call("github_comment_issue", issue=town.name(issue), body="y")
    await town.settle()
    assert minted(town) == 2


def minted(town: Town) -> int:
    return sum("access_tokens" in r.path for r in town.github.requests)


async def test_an_agents_write_is_no_other_agents_business(town: Town) -> None:
    agent, issue, _ = await holder(town)
    other = await town.agent("other")
    queued = await agent.call("github_comment_issue", issue=town.name(issue), body="x")
    refused = await other.refused("get_write", write_id=queued["write_id"])
    assert refused.code == "unknown_write"


@pytest.mark.parametrize("kind", ["comment", "issue", "pull", "card"])
async def test_a_sender_that_dies_after_it_sent_leaves_one_effect(town: Town, kind: str) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    fence = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    if kind != "card":
        await town.settle()
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    while await town.heard():
        pass
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "comment": ("github_comment_issue", {"issue": town.name(issue), "body": "once only"}),
        "issue": ("github_create_issue", {"repository": "acme/rocket", "title": "once only"}),
        "pull": (
            "github_create_pr",
            {"task": town.name(issue), "fence": fence, "head": "fix", "title": "once only"},
        ),
    }
    if kind in calls:
        operation, arguments = calls[kind]
        await agent.call(operation, **arguments)
    await town.die_while_sending()
    (left,) = await town.rows(
        "SELECT kind FROM writes WHERE installation_id = :i AND state = 'sending'"
    )
    assert left["kind"] == kind
    await town.settle()
    effects = {
        "comment": said(issue, "once only"),
        "issue": sum(i.title == "once only" and not i.pull for i in issues(town)),
        "pull": sum(p.title == "once only" for p in town.repository.pulls.values()),
        "card": said(issue, "**Hubbub**"),
    }
    assert effects[kind] == 1
    states = await town.rows("SELECT DISTINCT state FROM writes WHERE installation_id = :i")
    assert {row["state"] for row in states} <= {"sent", "superseded"}


async def test_a_successor_waits_until_the_dead_senders_last_request_is_over(town: Town) -> None:
    agent, issue, _ = await holder(town)
    for body in ("once only", "and then this"):
        await agent.call("github_comment_issue", issue=town.name(issue), body=body)
    await town.die_while_sending()
    died, before = town.clock(), len(town.github.requests)
    await town.settle()
    later = [request.at for request in town.github.requests[before:]]
    assert min(later) * 1_000_000 > died + Timing().lease
    assert [said(issue, "once only"), said(issue, "and then this")] == [1, 1]
