"""What an agent that has left, or is paused, may still call: each operation, one by one."""

from dataclasses import replace
from typing import Any

from bot.errors import Refused
from bot.operations import OPERATIONS
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

T = "acme/rocket#1"
FENCED = {"task": T, "fence": 1}
CHECK = {"name": "lint", "sha": "0" * 40}
# Each operation that writes: what it is called with, and whom it then takes from.
ANYBODY, NOT_LEFT, AT_WORK = "any", "here", "at_work"
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    # Coming back, and one's own inbox.
    "register_agent": (ANYBODY, {"agent_id": "lead", "name": "x"}),
    "get_messages": (ANYBODY, {}),
    "mark_message_read": (ANYBODY, {"message_id": "m_1"}),
    # What one says of oneself and to others.
    "update_agent": (NOT_LEFT, {"name": "x"}),
    "report_usage": (NOT_LEFT, {"model": "m-1", "cost": "1"}),
    "update_task_status": (NOT_LEFT, FENCED | {"status": "in_progress"}),
    "send_message": (NOT_LEFT, {"to": "other", "body": "x"}),
    "delete_message": (NOT_LEFT, {"message_id": "m_1"}),
    "resend_message": (NOT_LEFT, {"message_id": "m_1"}),
    "create_context": (NOT_LEFT, {"name": "Plan", "content": "x"}),
    "update_context": (NOT_LEFT, {"context_id": "c_1", "content": "x", "expected_version": 1}),
    "share_context": (NOT_LEFT, {"context_id": "c_1", "to": "other", "access": "read"}),
    "restore_context": (NOT_LEFT, {"context_id": "c_1", "version": 1}),
    "snapshot_contexts": (NOT_LEFT, {"name": "x", "context_ids": ["c_1"]}),
    # One's own write, and oneself; for those of others see below.
    "cancel_write": (NOT_LEFT, {"write_id": "w_1"}),
    "manage_agent": (NOT_LEFT, {"agent_id": "lead", "action": "resume"}),
    "invite_agent": (NOT_LEFT, {"agent_id": "newcomer"}),
    # Work, and what steers others.
    "claim_task": (AT_WORK, {}),
    "release_task": (AT_WORK, {"task": T}),
    "create_task": (AT_WORK, {"repository": "acme/rocket", "title": "x"}),
    "create_tasks": (
        AT_WORK,
        {"repository": "acme/rocket", "tasks": [{"id": "a", "title": "y"}]},
    ),
    "assign_task": (AT_WORK, {"task": T, "agent_id": "other"}),
    "change_task": (AT_WORK, {"task": T, "priority": "high"}),
    # Writing on GitHub.
    "github_create_issue": (AT_WORK, {"repository": "acme/rocket", "title": "x"}),
    "github_update_issue": (AT_WORK, {"issue": T, "title": "x"}),
    "github_comment_issue": (AT_WORK, {"issue": T, "body": "x"}),
    "github_create_pr": (AT_WORK, FENCED | {"title": "x", "head": "mend"}),
    "github_update_pr": (AT_WORK, {"pull_request": T, "title": "x"}),
    "github_review_pr": (AT_WORK, {"pull_request": T, "event": "COMMENT", "body": "x"}),
    "github_commit_files": (
        AT_WORK,
        FENCED | {"branch": "x", "message": "x", "files": [{"path": "a", "content": "x"}]},
    ),
    "github_move_card": (AT_WORK, {"issue": T, "status": "Done"}),
    "github_report_check": (AT_WORK, {"repository": "acme/rocket", **CHECK}),
    "github_run_workflow": (AT_WORK, {"repository": "acme/rocket", "workflow": "ci.yml"}),
    "github_cancel_workflow": (AT_WORK, {"repository": "acme/rocket", "run_id": 1}),
}


def test_every_operation_that_writes_is_told_of() -> None:
    writing = {each.name for each in OPERATIONS.values() if not each.reads_only}
    assert set(CALLS) == writing
    for name, (_, given) in CALLS.items():
        OPERATIONS[name].parse(given)


async def outcome(agent: Agent, operation: str, **given: Any) -> str:
    """The code of the refusal, or that it was done."""
    try:
        await agent.call(operation, **given)
    except Refused as exc:
        return exc.code
    return "done"


@ON_SQLITE
async def test_who_has_left_only_reads_has_its_inbox_and_comes_back(workspace: Workspace) -> None:
    lead, other = await workspace.agent("lead", "tech-lead"), await workspace.agent("other")
    issue = await workspace.task()
    assert workspace.name(issue) == T
    await lead.call("manage_agent", agent_id="lead", action="unregister")
    last = CALLS.keys() - {"register_agent"}
    found = {each: await outcome(lead, each, **CALLS[each][1]) for each in last}
    refused = {each for each, code in found.items() if code == "not_registered"}
    assert refused == {each for each in last if CALLS[each][0] != ANYBODY}
    pausing = {"agent_id": "other", "action": "pause"}
    assert await outcome(lead, "manage_agent", **pausing) == "not_registered"
    assert (await other.call("get_agent", agent_id="other"))["agent"]["status"] == "active"
    assert (await lead.call("list_tasks"))["tasks"][0]["priority"] == "medium"
    assert await outcome(lead, "register_agent", **CALLS["register_agent"][1]) == "done"
    assert await outcome(lead, "change_task", task=T, priority="high") == "done"


async def test_who_is_paused_neither_works_nor_steers_and_may_message_and_report(
    workspace: Workspace,
) -> None:
    lead, boss = (
        await workspace.agent("lead", "tech-lead"),
        await workspace.agent("boss", "tech-lead"),
    )
    await workspace.agent("other")
    await workspace.task()
    await boss.call("manage_agent", agent_id="lead", action="pause")
    found = {each: await outcome(lead, each, **given) for each, (_, given) in CALLS.items()}
    refused = {each for each, code in found.items() if code == "agent_paused"}
    assert refused == {each for each, (presence, _) in CALLS.items() if presence == AT_WORK}
    assert found["send_message"] == found["update_agent"] == found["create_context"] == "done"


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
