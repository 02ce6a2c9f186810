"""Stopped means stopped: the queued writes of agents that were paused, left or lost their token."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.dispatch.dispatcher import Dispatcher
from bot.times import SECOND
from store.engine.database import open_store
from store.identity import credentials
from store.outbox import writes
from tests.support.api_keys import add_api_key
from tests.support.command_line import hubbub
from tests.support.engines import ON_SQLITE
from tests.support.server_process import settings
from tests.support.story import Agent, Workspace

FILE = {"files": [{"path": "a", "content": "b"}]}


async def queue_issues(agent: Agent, n: int = 3) -> list[str]:
    queued = [
        await agent.write("github_create_issue", repository="acme/rocket", title=f"Junk {each}")
        for each in range(n)
    ]
    return [each["write_id"] for each in queued]


def titles(workspace: Workspace) -> set[str]:
    return {each.title for each in workspace.repository.issues.values()}


async def states(workspace: Workspace, agent: str) -> list[str]:
    found = await workspace.rows(
        "SELECT state FROM writes WHERE installation_id = :i AND author = :a ORDER BY seq", a=agent
    )
    return [each["state"] for each in found]


async def manage(lead: Agent, agent: str, action: str) -> dict[str, Any]:
    return await lead.call("manage_agent", agent_id=agent, action=action)


@ON_SQLITE
async def test_a_pause_holds_queued_writes_until_it_ends(workspace: Workspace) -> None:
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    ids = await queue_issues(agent)
    assert (await manage(lead, "scout", "pause"))["writes_held"] == 3
    await workspace.settle()
    assert titles(workspace) == set()
    held = await agent.write("get_write", write_id=ids[0])
    assert (held["state"], held["expected_at"]) == ("queued", None)
    assert held["waits_because"] == "lead paused scout. It goes out when the pause ends."
    listed = (await agent.call("list_writes"))["writes"]
    assert [each["write_id"] for each in listed] == ids[::-1]
    assert {each["why"] for each in listed} == {held["waits_because"]}
    await manage(lead, "scout", "resume")
    await workspace.settle()
    assert titles(workspace) == {"Junk 0", "Junk 1", "Junk 2"}


@ON_SQLITE
async def test_the_budget_counts_what_a_pause_holds_apart(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    await queue_issues(agent)
    await manage(lead, "scout", "pause")
    budget = await lead.call("get_budget")
    assert (budget["queued"], budget["paused"], budget["waiting"]) == (0, 3, [])
    assert budget["empty_at"] is None
    await lead.write("github_comment_issue", issue=workspace.name(issue), body="Now")
    budget = await lead.call("get_budget")
    assert budget["waiting"] == [{"author": "lead", "kind": "comment", "n": 1}]
    assert (budget["queued"], budget["paused"]) == (1, 3)
    assert budget["empty_at"] == budget["next_write_at"]


async def test_nobody_waits_for_what_a_pause_holds(workspace: Workspace) -> None:
    issue, lead = await workspace.task(), await workspace.agent("lead", "tech-lead")
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    for each in (agent, other):
        await each.write("github_comment_issue", issue=workspace.name(issue), body=each.actor.name)
    await manage(lead, "scout", "pause")
    await workspace.settle()
    assert [each.body.split()[-1] for each in issue.comments] == ["other"]


async def test_a_write_that_is_looked_for_when_its_author_is_stopped_is_not_sent_again(
    workspace: Workspace,
) -> None:
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    await queue_issues(agent, 1)
    await workspace.store.write(
        lambda tx: tx.run(
            "UPDATE writes SET state = 'unknown' WHERE installation_id = :i",
            i=workspace.installation.id,
        )
    )
    assert (await manage(lead, "scout", "unregister"))["writes_cancelled"] == 0
    await agent.call("register_agent", agent_id="scout", name="scout")
    await workspace.settle()
    assert (titles(workspace), await states(workspace, "scout")) == (set(), ["cancelled"])


async def test_leaving_cancels_what_was_queued_and_those_above_read_which(
    workspace: Workspace,
) -> None:
    parent = await workspace.agent("boss")
    agent, stranger = await workspace.agent("scout"), await workspace.agent("other")
    await agent.call("update_agent", parent_id="boss")
    ids = await queue_issues(agent)
    assert (await manage(parent, "scout", "unregister"))["writes_cancelled"] == 3
    await workspace.settle()
    assert titles(workspace) == set()
    for each in (agent, parent):
        which = {"agent_id": "scout", "state": "cancelled"}
        listed = (await each.call("list_writes", **which))["writes"]
        assert [each["write_id"] for each in listed] == ids[::-1]
        assert {each["why"] for each in listed} == {"boss unregistered its agent."}
        assert (await each.write("get_write", write_id=ids[0]))["state"] == "cancelled"
    refused = await stranger.refusal("list_writes", agent_id="scout")
    assert refused.code == "forbidden"


async def test_a_task_whose_issue_is_cancelled_with_its_author_has_failed(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    made = await agent.call("create_task", repository="acme/rocket", title="Plan")
    await manage(agent, "scout", "unregister")
    await workspace.settle()
    task = (await agent.call("get_task", task=made["task"]["id"]))["task"]
    assert (task["state"], titles(workspace)) == ("failed", set())


async def test_the_end_of_an_agents_last_token_stops_its_writes(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    first, second = [await _token(workspace.dispatcher, agent) for _ in range(2)]
    await queue_issues(agent, 1)
    await workspace.store.write(lambda tx: credentials.revoke(tx, first))
    await workspace.settle()
    assert titles(workspace) == {"Junk 0"}
    # A server may accept the token for some seconds more.
    await workspace.store.write(lambda tx: credentials.revoke(tx, second))
    await queue_issues(agent, 2)
    await workspace.settle()
    assert titles(workspace) == {"Junk 0"}
    assert await states(workspace, "scout") == ["sent", "cancelled", "cancelled"]
    await _token(workspace.dispatcher, agent)
    await queue_issues(agent, 2)
    await workspace.settle()
    assert titles(workspace) == {"Junk 0", "Junk 1"}


async def test_an_expired_token_does_not_keep_a_revoked_agent_going(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    await _token(workspace.dispatcher, agent, expires_at=workspace.clock() + 60 * SECOND)
    token = await _token(workspace.dispatcher, agent)
    workspace.clock.forward(120)
    await queue_issues(agent, 2)
    assert await workspace.store.write(lambda tx: credentials.revoke(tx, token))
    await workspace.settle()
    assert titles(workspace) == set()
    assert await states(workspace, "scout") == ["cancelled", "cancelled"]


async def test_what_was_queued_before_a_token_expired_is_sent(workspace: Workspace) -> None:
    """Nobody stopped the agent, although another token of it was revoked before."""
    agent = await workspace.agent("scout")
    token = await _token(workspace.dispatcher, agent)
    assert await workspace.store.write(lambda tx: credentials.revoke(tx, token))
    workspace.clock.forward(1)
    await _token(workspace.dispatcher, agent, expires_at=workspace.clock() + 60 * SECOND)
    await queue_issues(agent, 1)
    workspace.clock.forward(120)
    await workspace.settle()
    assert titles(workspace) == {"Junk 0"}


async def _token(dispatcher: Dispatcher, agent: Agent, **more: Any) -> str:
    """The id of a new token."""
    here = (dispatcher.shared.keys, agent.actor.installation_id, agent.actor.name)
    made = await dispatcher.store.write(lambda tx: add_api_key(tx, *here, "developer", **more))
    return made.split("_")[1]


async def ask(agent: Agent, task: str) -> int:
    """Claim the task and queue a write under the lease. Return its fence."""
    fence: int = (await agent.call("claim_task", task=task))["fence"]
    asked = {"task": task, "fence": fence, "status": "in_progress", "question": "Which?"}
    await agent.call("update_task_status", **asked)
    return fence


@pytest.mark.parametrize("pause_first", [True, False])
async def test_the_next_holder_does_not_wait_for_what_a_pause_holds(
    workspace: Workspace, *, pause_first: bool
) -> None:
    name, lead = workspace.name(await workspace.task()), await workspace.agent("lead", "tech-lead")
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    await agent.call("release_task", task=name, fence=await ask(agent, name))
    assert await states(workspace, "scout") == ["queued"]
    if pause_first:
        await manage(lead, "scout", "pause")
    await ask(other, name)
    if not pause_first:
        await manage(lead, "scout", "pause")
    assert await states(workspace, "scout") == ["cancelled"]
    await workspace.settle()
    assert await states(workspace, "other") == ["sent"]


async def test_what_was_queued_under_a_lost_lease_is_cancelled_with_it(
    workspace: Workspace,
) -> None:
    """The next holder does not wait until the turn of each comes."""
    name, lead = workspace.name(await workspace.task()), await workspace.agent("lead", "tech-lead")
    agent = await workspace.agent("scout")
    await ask(agent, name)
    await lead.call("release_task", task=name)
    assert await states(workspace, "scout") == ["cancelled"]


async def test_what_the_next_holder_waits_for_goes_before_its_authors_other_writes(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    await queue_issues(agent, 5)
    name = workspace.name(issue)
    await agent.call("release_task", task=name, fence=await ask(agent, name))
    await ask(other, name)
    await workspace.settle()
    order = await workspace.rows(
        "SELECT author, kind FROM writes WHERE installation_id = :i AND kind <> 'card' "
        "ORDER BY sending_at"
    )
    first = [(each["author"], each["kind"]) for each in order][:2]
    assert first == [("scout", "comment"), ("other", "comment")]


async def test_a_tech_lead_cancels_the_writes_of_an_agent_a_task_or_all(
    workspace: Workspace,
) -> None:
    issue, lead = await workspace.task(), await workspace.agent("lead", "tech-lead")
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    await queue_issues(agent, 3)
    await queue_issues(other, 1)
    refused = await other.refusal("cancel_write", agent_id="scout")
    assert refused.code == "forbidden"
    assert (await lead.refusal("cancel_write")).code == "invalid_arguments"
    assert len((await lead.call("cancel_write", agent_id="scout"))["cancelled"]) == 3
    (notice,) = (await agent.call("list_tasks"))["notices"]
    assert "2 more of yours were cancelled too" in notice["message"]
    await ask(agent, workspace.name(issue))
    of_task = await lead.call("cancel_write", task=workspace.name(issue))
    assert len(of_task["cancelled"]) == 1
    await queue_issues(agent, 1)
    assert len((await other.call("cancel_write", all=True))["cancelled"]) == 1
    assert len((await lead.call("cancel_write", all=True))["cancelled"]) == 1
    await workspace.settle()
    assert titles(workspace) == {issue.title}


async def test_a_task_finds_the_writes_on_its_issue_and_pull_request_made_without_its_fence(
    workspace: Workspace,
) -> None:
    issue, other = await workspace.task(), await workspace.task("Other")
    agent = await workspace.agent("scout")
    name = workspace.name(issue)
    claimed = await agent.call("claim_task", task=name)
    work = {"task": name, "fence": claimed["fence"]}
    await agent.write("github_commit_files", **work, **FILE, branch="agent/x", message="Mend it")
    await agent.write("github_create_pr", **work, head="agent/x", title="Mend it")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    wanted = [
        (await agent.write("github_comment_issue", issue=each, body="Look"))["write_id"]
        for each in (name, f"acme/rocket#{pull.number}")
    ]
    await agent.write("github_comment_issue", issue=workspace.name(other), body="Look")
    listed = (await agent.call("list_writes", task=name))["writes"]
    assert {each["write_id"] for each in listed if each["kind"] == "comment"} == set(wanted)
    ended = (await agent.call("list_writes", task=name, state="sent"))["writes"]
    assert {each["task"] for each in ended} == {name}
    cancelled = (await agent.call("cancel_write", task=name))["cancelled"]
    assert set(wanted) <= set(cancelled)
    (left,) = (await agent.call("list_writes"))["writes"]
    assert left["number"] == other.number


async def test_an_agent_queues_only_so_many_writes(workspace: Workspace) -> None:
    workspace.set_quotas("queued_writes=3")
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    await queue_issues(agent, 3)
    refused = await agent.refusal("github_create_issue", repository="acme/rocket", title="More")
    assert (refused.code, refused.details["retry_after_s"] > 0) == ("rate_limited", True)
    plan = {"repository": "acme/rocket", "title": "Plan"}
    assert (await agent.refusal("create_task", **plan)).code == "rate_limited"
    await queue_issues(other, 1)
    await workspace.settle()
    await queue_issues(agent, 1)


async def test_the_command_line_lists_and_cancels_writes_and_a_revoked_token_cancels_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    """On SQLite only: the engine plays no part."""

    async def run(*words: str) -> tuple[int, str]:
        code, out, err = await hubbub(*words, folder=tmp_path, **settings(sqlite_url))
        return code, out + err

    which = ("--installation", "7")
    key = (await run("token", "create", *which, "--agent", "ada"))[1].split("_")[1]
    for author in ("ada", "ada", "ada", "ben"):
        await _queue(sqlite_url, author)
    code, text = await run("writes", "list", *which, "--agent", "ada", "--json")
    assert code == 0, text
    listed = [json.loads(line) for line in text.splitlines()]
    assert [each["author"] for each in listed] == ["ada"] * 3
    one = ("writes", "cancel", *which, listed[0]["write_id"])
    assert await run(*one) == (0, "1 write is cancelled.\n")
    assert (await run(*one))[0] == 2
    assert (await run("writes", "cancel", *which))[0] == 2
    assert "2 of its queued writes are cancelled" in (await run("token", "revoke", key))[1]
    code, text = await run("writes", "list", *which)
    assert ("ben" in text, "ada" in text) == (True, False)
    assert await run("writes", "cancel", *which, "--all") == (0, "1 write is cancelled.\n")


async def _queue(url: str, author: str) -> None:
    store = await open_store(url)
    given = {"kind": "issue", "repository_id": 1, "target": "x", "arguments": {}}
    await store.write(lambda tx: writes.queue(tx, 7, author=author, **given))  # type: ignore[arg-type]
    await store.close()
