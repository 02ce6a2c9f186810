"""One hears what others did. One's own acts wake nobody, and are in the story of a task that one
asks for."""

import asyncio
from typing import Any

from fixtures.github import Pull
from tests.events.test_waking import listening
from tests.support.story import Agent, Workspace


async def test_what_one_did_oneself_does_not_wake_one(workspace: Workspace) -> None:
    issue, lead = await workspace.task(), await workspace.agent("lead", "tech-lead")
    scout, where = await workspace.agent("scout"), workspace.name(issue)
    start = (await scout.call("list_tasks"))["events_cursor"]
    await lead.call("send_message", to="scout", body="Take it")
    (message,) = (await scout.call("get_messages"))["messages"]
    await scout.call("claim_task", task=where)
    here = {"topics": ["tasks", "messages", f"task:{where}"], "cursor": start}
    waiting = asyncio.ensure_future(scout.call("wait_for_events", **here, wait_s=50))
    assert kinds(await waiting) == ["message.sent"]
    here["cursor"] = (await waiting)["cursor"]
    waiting = asyncio.ensure_future(scout.call("wait_for_events", **here, wait_s=50))
    lead_waits = asyncio.ensure_future(
        lead.call("wait_for_events", topics=["messages"], cursor=start, wait_s=50)
    )
    await listening(workspace.dispatcher, 2)
    await scout.call("mark_message_read", message_id=message["id"])
    await lead.call("change_task", task=where, hold=True)
    await scout.call("send_message", to="lead", body="Why?")
    assert kinds(await waiting) == ["task.held"]
    assert kinds(await lead_waits) == ["message.sent"]  # and not that its message was read
    read = await lead.call("wait_for_events", topics=["messages"], cursor=start)
    assert kinds(read) == ["message.read", "message.sent"]


async def test_the_story_of_one_task_has_what_one_did_oneself(workspace: Workspace) -> None:
    issue, scout = await workspace.task(), await workspace.agent("scout")
    where, start = workspace.name(issue), (await scout.call("list_tasks"))["events_cursor"]
    await scout.call("claim_task", task=where)
    story = await scout.call("wait_for_events", topics=[f"task:{where}"], cursor=start)
    assert kinds(story) == ["task.claimed"]
    assert kinds(await scout.call("wait_for_events", topics=["tasks"], cursor=start)) == []


async def test_a_pull_request_is_followed_by_its_own_name(workspace: Workspace) -> None:
    scout, where = await workspace.agent("scout"), workspace.name(await workspace.task())
    pull = await propose(workspace, scout, where)
    reader = await workspace.agent("reader", "observer")
    start = (await reader.call("list_tasks"))["events_cursor"]
    await scout.call("release_task", task=where, fence=1)
    for topic in (f"acme/rocket#{pull.number}", f"task:acme/rocket#{pull.number}"):
        heard = await reader.call("wait_for_events", topics=[topic], cursor=start)
        assert [each["task"] for each in heard["events"]] == [where, where]
    for wrong in ("acme/rocket#99", "acme/other#1", f"acme/rocket#{'9' * 30}"):
        refused = await reader.refusal("wait_for_events", topics=[wrong])
        assert refused.code == "unknown_task"


async def propose(workspace: Workspace, agent: Agent, where: str) -> Pull:
    fence = (await agent.call("claim_task", task=where))["fence"]
    workspace.person.push(workspace.repository, "mend", {"a.py": "1\n"}, base="main")
    await agent.call("github_create_pr", task=where, fence=fence, title="Mend", head="mend")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    return pull


def kinds(answer: dict[str, Any]) -> list[str]:
    return [each["kind"] for each in answer["events"]]
