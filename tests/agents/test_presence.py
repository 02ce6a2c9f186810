"""What an agent that has left, or is paused, may still call: each operation, one by one."""

from dataclasses import replace
from typing import Any

from bot.errors import Refused
from bot.identity import permissions
from bot.operations import OPERATIONS
from tests.support.call_matrix import IN_WORKSPACE
from tests.support.canaries import ME, OTHER
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

T = "acme/rocket#1"
# Those for people alone are refused to every agent.
WRITING = [
    each
    for each in OPERATIONS.values()
    if not each.reads_only and not permissions.is_for_people(each.name)
]
# Coming back, and one's own inbox.
ALSO_AFTER_LEAVING = {"register_agent", "get_messages", "mark_message_read"}
# Work, what steers others, and writing on GitHub.
ONLY_AT_WORK = {
    "claim_task",
    "release_task",
    "assign_task",
    "change_task",
    "terminate_agent",
    "move_agent",
    "approve_task",
    "cancel_workflow",
    "retry_workflow",
    "call_tool",
} | {each.name for each in WRITING if each.reaches_github}
CALLS = {each.name: IN_WORKSPACE[each.name] for each in WRITING}


async def outcome(agent: Agent, operation: str, **given: Any) -> str:
    """The code of the refusal, or that it was done."""
    try:
        await agent.call(operation, **given)
    except Refused as exc:
        return exc.code
    return "done"


@ON_SQLITE
async def test_who_has_left_only_reads_has_its_inbox_and_comes_back(workspace: Workspace) -> None:
    lead, other = await workspace.agent(ME, "tech-lead"), await workspace.agent(OTHER)
    issue = await workspace.task()
    assert workspace.name(issue) == T
    await lead.call("manage_agent", agent_id=ME, action="unregister")
    before_return = CALLS.keys() - {"register_agent"}
    found = {each: await outcome(lead, each, **CALLS[each]) for each in before_return}
    refused = {each for each, code in found.items() if code == "not_registered"}
    assert refused == before_return - ALSO_AFTER_LEAVING
    pausing = {"agent_id": OTHER, "action": "pause"}
    assert await outcome(lead, "manage_agent", **pausing) == "not_registered"
    assert (await other.call("get_agent", agent_id=OTHER))["agent"]["status"] == "active"
    assert (await lead.call("list_tasks"))["tasks"][0]["priority"] == "medium"
    assert await outcome(lead, "register_agent", agent_id=ME, name="x") == "done"
    assert await outcome(lead, "change_task", task=T, priority="high") == "done"


async def test_who_is_paused_neither_works_nor_steers_and_may_message_and_report(
    workspace: Workspace,
) -> None:
    lead, boss = [await workspace.agent(each, "tech-lead") for each in (ME, "boss")]
    await workspace.agent(OTHER)
    await boss.call("manage_agent", agent_id=ME, action="pause")
    found = {each: await outcome(lead, each, **given) for each, given in CALLS.items()}
    refused = {each for each, code in found.items() if code == "agent_paused"}
    assert refused == ONLY_AT_WORK
    assert found["send_message"] == found["create_context"] == "done"
    assert await outcome(lead, "update_agent", name="x") == "done"


@ON_SQLITE
async def test_what_a_paused_one_may_do_to_itself_it_may_not_do_to_others(
    workspace: Workspace,
) -> None:
    lead, scout = await workspace.agent("lead", "tech-lead"), await workspace.agent("scout")
    issue = await workspace.task()
    own = await lead.write("github_comment_issue", issue=workspace.name(issue), body="x")
    others = await scout.write("github_comment_issue", issue=workspace.name(issue), body="x")
    child = {"agent_id": "child", "name": "x", "parent_id": "lead"}
    await Agent(workspace.dispatcher, replace(scout.actor, name="child")).call(
        "register_agent", **child
    )
    await lead.call("manage_agent", agent_id="lead", action="pause")
    steering = (
        ("manage_agent", {"agent_id": "scout", "action": "pause"}),
        ("manage_agent", {"agent_id": "child", "action": "unregister"}),
        ("manage_agent", {"agent_id": "lead", "action": "unregister", "with_children": True}),
        ("update_agent", {"agent_id": "scout", "name": "x"}),
        ("cancel_write", {"write_id": others["write_id"]}),
    )
    for operation, given in steering:
        assert await outcome(lead, operation, **given) == "agent_paused", (operation, given)
    assert await outcome(lead, "cancel_write", write_id=own["write_id"]) == "done"
    resume = {"agent_id": "lead", "action": "resume", "with_children": True}
    assert await outcome(lead, "manage_agent", **resume) == "done"
    assert await outcome(lead, "cancel_write", write_id=others["write_id"]) == "done"


async def test_a_leave_whose_answer_was_lost_is_answered_again(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    given = {"agent_id": "scout", "action": "unregister"}
    first, again = [
        await workspace.dispatcher.call(scout.actor, "manage_agent", given, request_key="k")
        for _ in range(2)
    ]
    assert first["agents"] == again["agents"] == ["scout"]
