"""What is kept no longer goes, and nothing else."""

from functools import partial
from typing import Any

import pytest

from bot.background import sealing
from bot.background.retention import DAY, RetentionTimes, step
from bot.identity import sessions
from bot.identity.credentials import Grant
from bot.notifications import trials
from fixtures.github import Issue
from store.engine import sql
from store.engine.transaction import Tx
from store.mounts import mount_log, tool_calls
from store.notifications import notifications
from store.plugins import plugin_installations
from store.protocols import protocol_contexts
from store.retention import GROWING, SETTLED, drop_leases
from store.tables import TABLES
from tests.support.agent_endpoints import lead, set_endpoint
from tests.support.story import Workspace
from tests.support.workflows import start

GATED = """
steps:
  - {id: build, title: Build it, body: Work., agent: reviewer}
  - {id: agree, title: Agree, approve: writers, needs: [build]}
"""
KEPT = RetentionTimes(deliveries=14 * DAY, history=90 * DAY, grace=30 * DAY)


@pytest.fixture
def store_url(own_url: str) -> str:
    """A database of its own: retention looks at all installations."""
    return own_url


async def days_pass(workspace: Workspace, days: float) -> None:
    keys = workspace.dispatcher.shared.keys
    await sealing.step(workspace.store, keys, 0)
    workspace.clock.forward(days * 24 * 3600)
    places: dict[int, str] = {}
    while await step(workspace.store, keys, KEPT, places):
        pass


async def count(workspace: Workspace, table: str) -> int:
    (row,) = await workspace.rows(f"SELECT COUNT(*) AS n FROM {table} WHERE installation_id = :i")
    return int(row["n"])


async def test_processed_deliveries_go_after_their_time(workspace: Workspace) -> None:
    await workspace.task()
    await days_pass(workspace, 13)
    assert await count(workspace, "deliveries") > 0
    await days_pass(workspace, 2)
    assert await count(workspace, "deliveries") == 0
    assert await count(workspace, "issues") == 1


async def test_a_delivery_that_is_not_in_the_mirror_stays(workspace: Workspace) -> None:
    await workspace.task()
    q = "UPDATE deliveries SET state = 'dead' WHERE installation_id = :i AND event = 'issues'"
    await workspace.store.write(lambda tx: tx.run(q, i=workspace.installation.id))
    await days_pass(workspace, 200)
    assert {
        r["state"]
        for r in await workspace.rows("SELECT state FROM deliveries WHERE installation_id = :i")
    } == {"dead"}


async def test_history_goes_after_its_time_and_the_work_stays(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("a")
    claimed = await agent.call("claim_task", task=workspace.name(issue))
    workspace.person.comment(issue, "/status")
    workspace.person.comment(issue, "Mind the gap")
    workspace.person.push(workspace.repository, "mend", {"a.py": "1\n"})
    workspace.person.open_pull(workspace.repository, title="Mend", head="mend", body="Closes #1")
    await workspace.settle()
    keys, grant = workspace.dispatcher.shared.keys, Grant(workspace.installation.id, "a", "tester")
    await workspace.store.write(lambda tx: sessions.start(tx, keys, grant, audience="x", lasts_s=9))
    await workspace.store.write(partial(add_notification, workspace=workspace))
    await workspace.store.write(partial(add_log_of_mount, workspace=workspace))
    await workspace.store.write(partial(add_lines_of_plugin, workspace=workspace))
    await workspace.store.write(partial(add_context_of_client, workspace=workspace))
    await workspace.store.write(partial(add_report_of_tracker, workspace=workspace))
    await drop_delivery(workspace)
    for table in (*SETTLED.keys() - {"usage_sums"}, "events", "audit"):
        assert await count(workspace, table) > 0, table
    await days_pass(workspace, 91)
    for table in (*SETTLED.keys() - {"usage_sums"}, "events", "audit"):
        assert await count(workspace, table) == 0, table
    assert await count(workspace, "leases") == 1
    assert (await agent.call("get_task", task=claimed["task"]["id"]))["task"]["number"] == 1


async def drop_delivery(workspace: Workspace) -> None:
    """One to an agent's endpoint, which is turned off."""
    await set_endpoint(workspace, "a", "callback", "https://agents.example.com/in")
    for action in ("test", "off"):
        await lead(workspace).call("manage_agent_endpoint", agent_id="a", action=action)


async def add_log_of_mount(tx: Tx, workspace: Workspace) -> None:
    now = await tx.now()
    await mount_log.add(tx, workspace.installation.id, "mount", now, "info", "Connected.")
    here = (tx, workspace.installation.id)
    await tool_calls.keep_answer(*here, "key", ("mount", "tool"), now + 1, {})


async def add_context_of_client(tx: Tx, workspace: Workspace) -> None:
    here = (tx, workspace.installation.id)
    await protocol_contexts.add(*here, "client", "chat", "a2a-key", "t_1")


async def add_lines_of_plugin(tx: Tx, workspace: Workspace) -> None:
    i = workspace.installation.id
    await plugin_installations.put_lines(tx, i, "t_1", "echo", ["A line"])
    forwarded = {"plugin": "echo", "guid": "g", "event": "push", "state": "delivered"}
    await add_row(tx, "plugin_forwards", i, **forwarded, repository_id=0, received_at=0)


async def add_report_of_tracker(tx: Tx, workspace: Workspace) -> None:
    report = {"id": "r", "tracker_id": "x", "foreign_id": "1", "number": 1, "kind": "comment"}
    i, now = workspace.installation.id, await tx.now()
    await add_row(
        tx, "tracker_reports", i, **report, about="x", body="x", state="sent", created_at=now
    )


async def add_row(tx: Tx, table: str, installation_id: int, **values: Any) -> None:
    row = {"installation_id": installation_id, "not_before": await tx.now(), **values}
    await tx.run(sql.insert(table, tuple(row)), **row)


async def add_notification(tx: Tx, workspace: Workspace) -> None:
    """One that was sent."""
    target: Any = {"installation_id": workspace.installation.id, "id": "target"}
    row = await trials.row_of(tx, target)
    await notifications.add(tx, {**row, "state": "sent", "ended_at": await tx.now()})


async def test_reports_and_sums_of_days_go_and_the_sums_of_all_days_stay(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("a")
    await agent.call("report_usage", model="m-1", cost="2")
    await days_pass(workspace, 91)
    assert await count(workspace, "usage_reports") == 0
    q = "SELECT scope, day, cost FROM usage_sums WHERE installation_id = :i ORDER BY scope"
    kept = [(each["scope"], each["day"], each["cost"]) for each in await workspace.rows(q)]
    assert kept == [("agent", 0, 2_000_000), ("installation", 0, 2_000_000)]


async def test_the_young_stay_when_the_old_go(workspace: Workspace) -> None:
    await workspace.agent("early")
    await days_pass(workspace, 80)
    await workspace.agent("late")
    await days_pass(workspace, 20)
    assert [
        row["actor"]
        for row in await workspace.rows("SELECT actor FROM audit WHERE installation_id = :i")
    ] == ["late"]


async def left_by(workspace: Workspace, issue: Issue, *names: str) -> list[str]:
    """Each in turn claims the task, leaves a checkpoint, and gives it back: the ids of leases."""
    where, leases = workspace.name(issue), []
    for name in names:
        agent = await workspace.agent(name)
        taken = await agent.call("claim_task", task=where)
        leases.append(taken["lease_id"])
        await agent.call("update_agent", task=where, checkpoint={"by": name})
        await agent.call("update_agent", checkpoint={"own": name})
        await agent.call("release_task", task=where, fence=taken["fence"], note=f"{name} is done")
    await workspace.settle()
    return leases


async def kept_leases(workspace: Workspace) -> set[str]:
    return {
        row["id"]
        for row in await workspace.rows("SELECT id FROM leases WHERE installation_id = :i")
    }


async def test_of_old_leases_the_last_of_each_task_stays_and_is_handed_on(
    workspace: Workspace,
) -> None:
    first, second = await workspace.task(), await workspace.task("Paint it")
    *_, last = await left_by(workspace, first, "a", "b", "c", "c")
    (only,) = await left_by(workspace, second, "a")
    await days_pass(workspace, 91)
    assert await kept_leases(workspace) == {last, only}
    left = await workspace.rows(
        "SELECT agent_id, task_id <> '' AS of_task FROM checkpoints WHERE installation_id = :i"
    )
    assert sorted((row["agent_id"], bool(row["of_task"])) for row in left) == [
        ("a", False),
        ("a", True),
        ("b", False),
        ("c", False),
        ("c", True),
    ]
    taken = await (await workspace.agent("d")).call("claim_task", task=workspace.name(first))
    assert taken["handoff"]["holder"] == "c"
    assert taken["handoff"]["checkpoint"]["state"] == {"by": "c"}


async def test_leases_stay_that_are_young_or_live_or_have_something_to_send(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    _, waits = await left_by(workspace, issue, "a", "b")
    workspace.clock.forward(85 * 24 * 3600)
    young = await left_by(workspace, issue, "c", "d")
    holder = await (await workspace.agent("e")).call("claim_task", task=workspace.name(issue))
    q = (
        "UPDATE writes SET state = 'queued', lease_id = :l WHERE installation_id = :i "
        "AND task_id = :t AND seq = (SELECT MAX(seq) FROM (SELECT seq, task_id FROM writes "
        "WHERE installation_id = :i) w WHERE task_id = :t)"
    )
    given = {"l": waits, "i": workspace.installation.id, "t": holder["task"]["id"]}
    assert await workspace.store.write(lambda tx: tx.run(q, **given)) == 1
    await days_pass(workspace, 6)
    assert await kept_leases(workspace) == {waits, *young, holder["lease_id"]}


async def test_leases_are_gone_through_window_after_window(workspace: Workspace) -> None:
    issues = [await workspace.task(f"{n}") for n in range(3)]
    last = [(await left_by(workspace, each, "a", "b"))[-1] for each in issues]
    workspace.clock.forward(91 * 24 * 3600)
    before, place = workspace.clock() - KEPT.history, ""
    seen: list[int] = []
    while place or not seen:
        dropped, place = await workspace.store.write(
            lambda tx, after=place: drop_leases(tx, workspace.installation.id, after, before, 2)  # type: ignore[misc]
        )
        seen.append(dropped)
    assert sum(seen) == 3
    assert len(seen) == 4
    assert await kept_leases(workspace) == set(last)


WORKFLOW = ("workflows", "workflow_steps", "workflow_needs", "step_offers", "gate_votes")


async def test_a_workflow_goes_with_its_steps_some_time_after_its_end(
    workspace: Workspace,
) -> None:
    flow, agent = await start(workspace, GATED), await workspace.agent("reviewer", "tech-lead")
    running = await start(workspace, GATED)
    await flow.do(agent, "build")
    mine = await count(workspace, "tasks")
    await agent.call("cancel_workflow", workflow=flow.id)
    await workspace.settle()
    assert [await count(workspace, each) for each in WORKFLOW] == [2, 4, 2, 2, 0]
    await days_pass(workspace, 89)
    assert await count(workspace, "workflows") == 2
    await days_pass(workspace, 2)
    assert [await count(workspace, each) for each in WORKFLOW] == [1, 2, 1, 1, 0]
    assert (await running.workflow())["state"] == "running"
    assert await count(workspace, "tasks") == mine


def test_every_table_that_grows_with_the_days_has_its_rule() -> None:
    # What is current, what people and agents made, and what is bounded by it.
    kept = set(TABLES) - set(SETTLED) - set(GROWING)
    assert kept >= {"issues", "comments", "tasks", "leases", "messages", "backfills"}
    assert not kept & {"deliveries", "commands", "writes", "events", "requests"}


async def test_a_removed_installation_is_invisible_at_once_and_purged_after_its_grace(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("a")
    workspace.github.uninstall(workspace.installation)
    await workspace.settle()
    assert (await agent.call("list_tasks", state="any"))["tasks"] == []
    assert (
        await agent.refusal("get_task", task=workspace.name(issue))
    ).code == "unknown_repository"
    await days_pass(workspace, 29)
    assert await count(workspace, "issues") == 1
    await days_pass(workspace, 2)
    owned = [t.name for t in TABLES.values() if "installation_id" in t.names]
    left = {table: await count(workspace, table) for table in owned}
    assert {table: n for table, n in left.items() if n} == {}


async def test_a_suspended_installation_loses_its_mirror_and_keeps_its_tasks(
    workspace: Workspace,
) -> None:
    issue, writer = await workspace.task(), await workspace.agent("writer")
    known = (await writer.call("create_context", name="Plan", content="All of it"))["context"]
    workspace.github.suspend(workspace.installation)
    await workspace.settle()
    await days_pass(workspace, 31)
    assert await count(workspace, "issues") == 0
    assert await count(workspace, "tasks") == 1
    workspace.github.unsuspend(workspace.installation)
    await workspace.settle()
    await workspace.begin_backfill()
    await workspace.settle()
    agent = await workspace.agent("a")
    (task,) = (await agent.call("list_tasks"))["tasks"]
    assert task["task"] == workspace.name(issue)
    assert await count(workspace, "issues") == 1
    kept = await writer.call("get_context", context_id=known["id"])
    assert kept["content"] == "All of it"
