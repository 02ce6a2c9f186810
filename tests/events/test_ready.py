"""Callers that wait for work hear of every task that can be claimed now, and only of those."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fixtures.github import Issue
from tests.support.story import Agent, Workspace


async def ready(workspace: Workspace) -> list[str]:
    """Why tasks became ready, in order."""
    q = "SELECT data FROM events WHERE installation_id = :i AND kind = 'task.ready' ORDER BY seq"
    return [row["data"] for row in await workspace.rows(q)]


async def test_an_agent_that_found_nothing_is_woken_by_a_task_that_an_agent_made(
    workspace: Workspace,
) -> None:
    scout, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    refused = await scout.refusal("claim_task")
    made = await lead.call("create_task", repository="acme/rocket", title="Mend it")
    place = {"topics": ["tasks"], "cursor": refused.details["events_cursor"]}
    assert (await scout.call("wait_for_events", **place))["events"] == []
    waiting = asyncio.ensure_future(scout.call("wait_for_events", **place, wait_s=50))
    await asyncio.sleep(0)
    await workspace.settle()
    heard = (await waiting)["events"]
    assert [(each["kind"], each["subject"], each["actor"]) for each in heard] == [
        ("task.created", made["task"]["id"], "lead"),
        ("task.ready", made["task"]["id"], "hubbub[bot]"),
    ]
    assert (await scout.call("claim_task"))["task"]["task"] == heard[1]["task"]


async def test_lists_and_registrations_say_from_where_to_wait(workspace: Workspace) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    listed = await lead.call("list_tasks", state="ready")
    registered = await lead.call("register_agent", agent_id="lead", name="Lead")
    await workspace.task()
    for cursor in (listed["events_cursor"], registered["events_cursor"]):
        heard = await lead.call("wait_for_events", topics=["tasks"], cursor=cursor)
        assert [each["kind"] for each in heard["events"]] == ["task.created", "task.ready"]


Way = Callable[[Workspace, Issue, Agent, dict[str, Any]], Awaitable[object]]


async def hold_ends(workspace: Workspace, issue: Issue, _scout: Agent, _at: Any) -> None:
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    workspace.person.comment(issue, "/resume")


async def is_released(_workspace: Workspace, _issue: Issue, scout: Agent, at: Any) -> None:
    await scout.call("release_task", **at, fence=(await scout.call("claim_task", **at))["fence"])


async def is_taken_back(workspace: Workspace, issue: Issue, scout: Agent, at: Any) -> None:
    await scout.call("claim_task", **at)
    workspace.person.comment(issue, "/release")


async def expires(workspace: Workspace, _issue: Issue, scout: Agent, at: Any) -> None:
    await scout.call("claim_task", **at, lease_s=60)
    await workspace.time_passes(120)


async def is_retried(workspace: Workspace, issue: Issue, scout: Agent, at: Any) -> None:
    fence = (await scout.call("claim_task", **at))["fence"]
    await scout.call("update_task_status", **at, fence=fence, status="failed")
    workspace.person.comment(issue, "/retry")


async def is_reopened(workspace: Workspace, issue: Issue, _scout: Agent, _at: Any) -> None:
    workspace.person.close(issue)
    await workspace.settle()
    workspace.person.reopen(issue)


async def is_unassigned(workspace: Workspace, issue: Issue, _scout: Agent, _at: Any) -> None:
    workspace.person.comment(issue, "/assign scout")
    await workspace.settle()
    workspace.person.comment(issue, "/assign")


async def is_labelled(workspace: Workspace, issue: Issue, _scout: Agent, _at: Any) -> None:
    workspace.person.add_label(issue, "backend")


async def needs_less(workspace: Workspace, issue: Issue, _scout: Agent, _at: Any) -> None:
    workspace.person.add_label(issue, "size:small")


async def its_holder_pauses(workspace: Workspace, _issue: Issue, scout: Agent, at: Any) -> None:
    await scout.call("claim_task", **at)
    await scout.call("manage_agent", agent_id="scout", action="pause")
    await workspace.settle()


WAYS: dict[Way, str] = {
    hold_ends: "its hold ended",
    is_released: "released by scout",
    is_taken_back: "released by @octocat",
    expires: "the lease expired",
    is_retried: "it is pending again",
    is_reopened: "it is pending again",
    is_unassigned: "its reservation ended",
    is_labelled: "it has a new label",
    needs_less: "it needs something else",
    its_holder_pauses: "paused by scout",
}


async def test_each_way_to_become_ready_is_heard_once_and_not_while_something_blocks(
    workspace: Workspace,
) -> None:
    scout = await workspace.agent("scout")
    blocker = await workspace.task("Blocker")
    for way, why in WAYS.items():
        issue = await workspace.task(way.__name__)
        known = len(await ready(workspace))
        await way(workspace, issue, scout, {"task": workspace.name(issue)})
        await workspace.settle()
        assert [f'"{why}"' in each for each in (await ready(workspace))[known:]] == [True], way
        workspace.person.close(issue)
    held = await workspace.task("On hold")
    workspace.person.block(held, blocker)
    await workspace.settle()
    known = len(await ready(workspace))
    await hold_ends(workspace, held, scout, {})
    await is_reopened(workspace, held, scout, {})
    await is_labelled(workspace, held, scout, {})
    await workspace.settle()
    assert (await ready(workspace))[known:] == []
