"""What is kept no longer goes, and nothing else."""

import pytest

from bot.background.retention import DAY, RetentionTimes, step
from fixtures.github import Issue
from store.retention import GROWING, SETTLED, drop_leases
from store.tables import TABLES
from tests.support.story import Town

KEPT = RetentionTimes(deliveries=14 * DAY, history=90 * DAY, grace=30 * DAY)


@pytest.fixture
def store_url(own_url: str) -> str:
    """A database of its own: retention looks at all installations."""
    return own_url


async def days_pass(town: Town, days: float) -> None:
    town.clock.forward(days * 24 * 3600)
    places: dict[int, str] = {}
    while await step(town.store, KEPT, places):
        pass


async def count(town: Town, table: str) -> int:
    (row,) = await town.rows(f"SELECT COUNT(*) AS n FROM {table} WHERE installation_id = :i")
    return int(row["n"])


async def test_processed_deliveries_go_after_their_time(town: Town) -> None:
    await town.task()
    await days_pass(town, 13)
    assert await count(town, "deliveries") > 0
    await days_pass(town, 2)
    assert await count(town, "deliveries") == 0
    assert await count(town, "issues") == 1


async def test_a_delivery_that_is_not_in_the_mirror_stays(town: Town) -> None:
    await town.task()
    q = "UPDATE deliveries SET state = 'dead' WHERE installation_id = :i AND event = 'issues'"
    await town.store.write(lambda tx: tx.run(q, i=town.installation.id))
    await days_pass(town, 200)
    assert {
        r["state"]
        for r in await town.rows("SELECT state FROM deliveries WHERE installation_id = :i")
    } == {"dead"}


async def test_history_goes_after_its_time_and_the_work_stays(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("a")
    claimed = await agent.call("claim_task", task=town.name(issue))
    town.person.comment(issue, "/status")
    await town.settle()
    for table in (*SETTLED, "events", "audit"):
        assert await count(town, table) > 0, table
    await days_pass(town, 91)
    for table in (*SETTLED, "events", "audit"):
        assert await count(town, table) == 0, table
    assert await count(town, "leases") == 1
    assert (await agent.call("get_task", task=claimed["task"]["id"]))["task"]["number"] == 1


async def test_the_young_stay_when_the_old_go(town: Town) -> None:
    await town.agent("early")
    town.clock.forward(80 * 24 * 3600)
    await town.agent("late")
    await days_pass(town, 20)
    assert [
        row["actor"]
        for row in await town.rows("SELECT actor FROM audit WHERE installation_id = :i")
    ] == ["late"]


async def left_by(town: Town, issue: Issue, *names: str) -> list[str]:
    """Each in turn claims the task, leaves a checkpoint, and gives it back: the ids of leases."""
    where, leases = town.name(issue), []
    for name in names:
        agent = await town.agent(name)
        taken = await agent.call("claim_task", task=where)
        leases.append(taken["lease_id"])
        await agent.call("update_agent", task=where, checkpoint={"by": name})
        await agent.call("update_agent", checkpoint={"own": name})
        await agent.call("release_task", task=where, fence=taken["fence"], note=f"{name} is done")
    await town.settle()
    return leases


async def kept_leases(town: Town) -> set[str]:
    return {
        row["id"] for row in await town.rows("SELECT id FROM leases WHERE installation_id = :i")
    }


async def test_of_old_leases_the_last_of_each_task_stays_and_is_handed_on(town: Town) -> None:
    first, second = await town.task(), await town.task("Paint it")
    *_, last = await left_by(town, first, "a", "b", "c", "c")
    (only,) = await left_by(town, second, "a")
    await days_pass(town, 91)
    assert await kept_leases(town) == {last, only}
    left = await town.rows(
        "SELECT agent_id, task_id <> '' AS of_task FROM checkpoints WHERE installation_id = :i"
    )
    assert sorted((row["agent_id"], bool(row["of_task"])) for row in left) == [
        ("a", False),
        ("a", True),
        ("b", False),
        ("c", False),
        ("c", True),
    ]
    taken = await (await town.agent("d")).call("claim_task", task=town.name(first))
    assert taken["handoff"]["holder"] == "c"
    assert taken["handoff"]["checkpoint"]["state"] == {"by": "c"}


async def test_leases_stay_that_are_young_or_live_or_have_something_to_send(town: Town) -> None:
    issue = await town.task()
    _, waits = await left_by(town, issue, "a", "b")
    town.clock.forward(85 * 24 * 3600)
    young = await left_by(town, issue, "c", "d")
    holder = await (await town.agent("e")).call("claim_task", task=town.name(issue))
    q = (
        "UPDATE writes SET state = 'queued', lease_id = :l WHERE installation_id = :i "
        "AND task_id = :t AND seq = (SELECT MAX(seq) FROM (SELECT seq, task_id FROM writes "
        "WHERE installation_id = :i) w WHERE task_id = :t)"
    )
    given = {"l": waits, "i": town.installation.id, "t": holder["task"]["id"]}
    assert await town.store.write(lambda tx: tx.run(q, **given)) == 1
    await days_pass(town, 6)
    assert await kept_leases(town) == {waits, *young, holder["lease_id"]}


async def test_leases_are_gone_through_window_after_window(town: Town) -> None:
    issues = [await town.task(f"{n}") for n in range(3)]
    last = [(await left_by(town, each, "a", "b"))[-1] for each in issues]
    town.clock.forward(91 * 24 * 3600)
    before, place = town.clock() - KEPT.history, ""
    seen: list[int] = []
    while place or not seen:
        dropped, place = await town.store.write(
            lambda tx, after=place: drop_leases(tx, town.installation.id, after, before, 2)  # type: ignore[misc]
        )
        seen.append(dropped)
    assert sum(seen) == 3
    assert len(seen) == 4
    assert await kept_leases(town) == set(last)


def test_every_table_that_grows_with_the_days_has_its_rule() -> None:
    # What is current, what people and agents made, and what is bounded by it.
    kept = set(TABLES) - set(SETTLED) - set(GROWING)
    assert kept >= {"issues", "comments", "tasks", "leases", "messages", "backfills"}
    assert not kept & {"deliveries", "commands", "writes", "events", "audit", "requests"}


async def test_a_removed_installation_is_invisible_at_once_and_purged_after_its_grace(
    town: Town,
) -> None:
    issue = await town.task()
    agent = await town.agent("a")
    town.github.uninstall(town.installation)
    await town.settle()
    assert (await agent.call("list_tasks", state="any"))["tasks"] == []
    assert (await agent.refused("get_task", task=town.name(issue))).code == "unknown_repository"
    await days_pass(town, 29)
    assert await count(town, "issues") == 1
    await days_pass(town, 2)
    owned = [t.name for t in TABLES.values() if "installation_id" in t.names]
    left = {table: await count(town, table) for table in owned}
    assert {table: n for table, n in left.items() if n} == {}


async def test_a_suspended_installation_loses_its_mirror_and_keeps_its_tasks(town: Town) -> None:
    issue, writer = await town.task(), await town.agent("writer")
    known = (await writer.call("create_context", name="Plan", content="All of it"))["context"]
    town.github.suspend(town.installation)
    await town.settle()
    await days_pass(town, 31)
    assert await count(town, "issues") == 0
    assert await count(town, "tasks") == 1
    town.github.unsuspend(town.installation)
    await town.settle()
    await town.begin_backfill()
    await town.settle()
    agent = await town.agent("a")
    (task,) = (await agent.call("list_tasks"))["tasks"]
    assert task["task"] == town.name(issue)
    assert await count(town, "issues") == 1
    kept = await writer.call("get_context", context_id=known["id"])
    assert kept["content"] == "All of it"
