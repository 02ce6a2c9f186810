"""Agents on servers that are killed: no task is held twice, nothing acknowledged is lost."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from store.engine.database import open_store
from store.engine.mysql_session import flavour
from store.engine.transaction import Tx
from store.tasks import tasks
from tests.support.patience import SOON_S
from tests.support.story import Clock, open_workspace
from tests.support.swarm import Plan, play
from tests.support.swarm_oracle import AnsweredCall, StoredRows, violations

PLAN = Plan(servers=2, agents=5, tasks=30, seconds=2, kill_every_s=0.6, pause_s=0.1)


async def test_agents_on_servers_that_are_killed_lose_nothing_and_hold_no_task_twice(
    own_url: str, tmp_path: Path
) -> None:
    found = await play(tmp_path, [own_url], PLAN)
    assert found.violations == []
    assert found.tracebacks == []
    assert found.events["task.completed"] == PLAN.tasks
    assert found.kills > 0


# --- What the ledger would see --------------------------------------------------------------------

MARK = AnsweredCall("ada", "mark_message_read", {"message_id": "m_1"}, {}, 5, 6)
INBOX = AnsweredCall("ada", "get_messages", {}, {"messages": [{"id": "m_1"}]}, 3, 4)
CLAIM = AnsweredCall("ada", "claim_task", {}, {"lease_id": "l_1", "fence": 1}, 1, 2)
DONE = AnsweredCall("ada", "update_task_status", {"status": "completed"}, {}, 2, 3)
SENT = AnsweredCall("eve", "send_message", {}, {"message_id": "m_1", "recipients": ["ada"]}, 1, 2)
CALLS = (CLAIM, DONE, SENT, INBOX, MARK)


def event(seq: int, kind: str, actor: str = "ada", fence: int = 1) -> dict[str, Any]:
    data = json.dumps({"fence": fence})
    return {"seq": seq, "kind": f"task.{kind}", "actor": actor, "subject": "t_1", "data": data}


def lease(fence: int = 1, **changed: Any) -> dict[str, Any]:
    given = {"id": f"l_{fence}", "task_id": "t_1", "holder": "ada", "fence": fence, "ended_at": 9}
    return given | changed


def audit(call: AnsweredCall) -> dict[str, Any]:
    return {"actor": call.agent, "operation": call.operation, "outcome": "done"}


TASK = {"id": "t_1", "state": "completed", "holder": None, "fence": 1}
RECEIPT = {"message_id": "m_1", "agent_id": "ada", "state": "read"}


def stored_rows(**changed: Any) -> StoredRows:
    given: dict[str, Sequence[Any]] = {
        "tasks": [TASK],
        "leases": [lease()],
        "events": [event(1, "claimed"), event(2, "completed")],
        "audit": [audit(CLAIM), audit(DONE), audit(SENT)],
        "messages": [{"id": "m_1"}],
        "receipts": [RECEIPT],
    }
    return StoredRows(**given | changed)


def test_a_story_that_kept_its_promises_has_no_violation() -> None:
    assert violations(stored_rows(), CALLS, [1, 2]) == []


TWICE = [
    event(1, "claimed"),
    event(2, "claimed", "eve", fence=2),
    event(3, "completed", "eve"),
]
BACKWARDS = [
    event(1, "claimed", fence=2),
    event(2, "released"),
    event(3, "claimed", fence=1),
    event(4, "completed"),
]


@pytest.mark.parametrize(
    ("stored_rows", "said"),
    [
        (stored_rows(events=TWICE), "t_1: claimed by eve while ada held it"),
        (stored_rows(events=BACKWARDS), "t_1: fence 1 after fence 2"),
        # Another ended what ada held.
        (
            stored_rows(events=[event(1, "claimed"), event(2, "completed", "eve")]),
            "t_1: task.completed by eve while ada held it",
        ),
        (
            stored_rows(events=[event(1, "claimed"), event(2, "completed"), event(3, "expired")]),
            "t_1: task.expired by ada while nobody held it",
        ),
        (stored_rows(events=[event(1, "claimed")]), "t_1: still held by ada"),
        # A lease that no claim tells of.
        (stored_rows(leases=[lease(), lease(2)]), "('t_1', 'ada', 2): 0 claims, 1 leases"),
        (stored_rows(leases=[lease(ended_at=None)]), "l_1: never ended"),
        (stored_rows(tasks=[TASK | {"fence": 3}]), "t_1: fence 3 after 1 leases"),
        (stored_rows(tasks=[TASK | {"state": "pending"}]), "t_1: pending, held by None"),
        # A lost write, and one that was done twice.
        (
            stored_rows(audit=[audit(CLAIM), audit(SENT)]),
            "('ada', 'update_task_status'): acknowledged 1 times, done 0 times",
        ),
        (
            stored_rows(audit=[audit(CLAIM), audit(CLAIM), audit(DONE), audit(SENT)]),
            "('ada', 'claim_task'): acknowledged 1 times, done 2 times",
        ),
        (stored_rows(leases=[]), "('l_1', 'ada', 1): acknowledged, and there is no such lease"),
        (stored_rows(receipts=[]), "m_1: acknowledged, and never read by ada"),
        (
            stored_rows(receipts=[RECEIPT | {"state": "delivered"}]),
            "m_1: acknowledged, and never read by ada",
        ),
        (stored_rows(messages=[{"id": "m_2"}]), "m_2: a message that nobody sent"),
    ],
)
def test_a_broken_promise_is_seen(stored_rows: StoredRows, said: str) -> None:
    assert said in violations(stored_rows, CALLS, [each["seq"] for each in stored_rows.events])


def test_a_message_that_comes_after_its_mark_is_seen() -> None:
    again = AnsweredCall("ada", "get_messages", {}, {"messages": [{"id": "m_1"}]}, 7, 8)
    told = violations(stored_rows(), [*CALLS, again], [1, 2])
    assert told == ["m_1: came to ada after it was marked as read"]


def test_a_message_under_way_while_it_is_marked_is_no_violation() -> None:
    abreast = AnsweredCall("ada", "get_messages", {}, {"messages": [{"id": "m_1"}]}, 5.5, 8)
    assert violations(stored_rows(), [*CALLS, abreast], [1, 2]) == []


def test_an_event_that_a_cursor_passes_over_is_seen() -> None:
    assert violations(stored_rows(), CALLS, [2]) == ["a cursor missed the events [1]"]


# --- What the swarm found -------------------------------------------------------------------------


async def test_a_claim_does_not_wait_for_one_that_frees_an_overdue_task_on_mysql(
    migrated_mysql_url: str, clock: Clock
) -> None:
    """On SQLite writers take turns anyway."""
    store = await open_store(migrated_mysql_url, clock)
    async with open_workspace(store, clock, None) as workspace:
        await workspace.task()
        dead, alive = await workspace.agent("dead"), await workspace.agent("alive")
        task = (await dead.call("claim_task", lease_s=60))["task"]
        clock.forward(61)
        began, go_on = asyncio.Event(), asyncio.Event()

        async def slow(tx: Tx) -> None:
            await tasks.lock(tx, workspace.installation.id, task["id"])
            began.set()
            await go_on.wait()

        frees = asyncio.create_task(store.write(slow))
        await began.wait()
        async with asyncio.timeout(SOON_S):
            assert (await alive.refusal("claim_task")).code == "nothing_ready"
        go_on.set()
        await frees
        assert (await alive.call("claim_task"))["task"]["id"] == task["id"]
    await store.close()


@pytest.mark.parametrize(("galera", "waits"), [(True, True), (False, False)])
def test_on_a_node_of_galera_what_another_committed_is_awaited(
    *, galera: bool, waits: bool
) -> None:
    """`make bench BENCH=galera` counts the reads that would come too early."""
    found = flavour("10.11.19-MariaDB", galera=galera)
    assert ("wsrep_sync_wait = 1" in found.more) is waits
