"""What a task waits for: blockers, sub-issues, and circles that keep nobody."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.fetch import backfill
from bot.github.payloads import with_version
from bot.mirror import reads, writer
from bot.mirror.changes import Changes
from bot.times import SECOND
from fixtures.github import Issue, Repository
from store.engine.transaction import Row, Tx
from store.mirror import dependency_cycles, relations
from store.mirror.dependency_cycles import Edge, _cycles
from tests.support.sampling import examples
from tests.support.story import Workspace


async def events(workspace: Workspace, kind: str) -> list[str]:
    """The subjects of such events, without those that only say that the task is new."""
    q = "SELECT subject, data FROM events WHERE installation_id = :i AND kind = :kind ORDER BY seq"
    rows = await workspace.rows(q, kind=kind)
    return [row["subject"] for row in rows if "it is new" not in row["data"]]


async def task_of(workspace: Workspace, number: int) -> dict[str, Any]:
    looker = await workspace.agent("looker", "observer")
    found = await looker.call("explain_task", task=f"acme/rocket#{number}")
    return dict(found)


async def test_a_blocked_task_is_not_offered_and_its_last_blocker_wakes(
    workspace: Workspace,
) -> None:
    second, first, other = [await workspace.task(each) for each in ("Second", "First", "Other")]
    workspace.person.block(second, first)
    workspace.person.block(second, other)
    await workspace.settle()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    refused = await agent.refusal("claim_task", task=workspace.name(second))
    assert (refused.code, refused.details["holder"]) == ("blocked", None)
    taken = await lead.call("claim_task", task=workspace.name(second))
    await lead.call("release_task", task=workspace.name(second), fence=taken["fence"])
    workspace.person.close(first)
    await workspace.settle()
    assert await events(workspace, "task.ready") == []
    workspace.person.close(other)
    await workspace.settle()
    assert await events(workspace, "task.ready") == [taken["task"]["id"]]
    assert (await agent.call("claim_task"))["task"]["number"] == second.number


async def test_a_blocker_taken_off_wakes_too(workspace: Workspace) -> None:
    second, first = await workspace.task("Second"), await workspace.task("First")
    workspace.person.block(second, first)
    await workspace.settle()
    workspace.person.unblock(second, first)
    await workspace.settle()
    assert len(await events(workspace, "task.ready")) == 1


async def test_a_task_on_hold_is_not_ready_when_its_blocker_goes(workspace: Workspace) -> None:
    second, first = await workspace.task("Second"), await workspace.task("First")
    third, other = await workspace.task("Third"), await workspace.task("Other")
    workspace.person.block(second, first)
    workspace.person.block(third, other)
    workspace.person.comment(second, "/hold")
    workspace.person.comment(third, "/hold")
    await workspace.settle()
    workspace.person.close(first)
    workspace.person.unblock(third, other)
    await workspace.settle()
    assert await events(workspace, "task.ready") == []
    workspace.person.comment(second, "/resume")
    await workspace.settle()
    scout = await workspace.agent("scout")
    assert len(await events(workspace, "task.resumed")) == 1
    assert (await scout.call("claim_task", task=workspace.name(second)))["fence"] == 1


async def test_a_deleted_blocker_wakes_too(workspace: Workspace) -> None:
    second, first = await workspace.task("Second"), await workspace.task("First")
    workspace.person.block(second, first)
    await workspace.settle()
    waiting = await task_of(workspace, second.number)
    workspace.person.delete_issue(first)
    await workspace.settle()
    assert await events(workspace, "task.ready") == [waiting["task"]["id"]]


async def test_a_blocker_found_deleted_by_a_read_wakes_too(workspace: Workspace) -> None:
    second, first = await workspace.task("Second"), await workspace.task("First")
    workspace.person.block(second, first)
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    workspace.person.delete_issue(first)
    workspace.github.lose_deliveries(0)
    await workspace.read(reads.thread("issue", workspace.repository.id, first.number))
    assert len(await events(workspace, "task.ready")) == 1


async def test_the_last_sub_issue_deleted_wakes_its_parent_and_one_of_two_does_not(
    workspace: Workspace,
) -> None:
    whole, part, rest = [await workspace.task(each) for each in ("Whole", "Part", "Rest")]
    workspace.person.add_sub_issue(whole, part)
    workspace.person.add_sub_issue(whole, rest)
    await workspace.settle()
    workspace.person.delete_issue(part)
    await workspace.settle()
    assert await events(workspace, "task.ready") == []
    workspace.person.delete_issue(rest)
    await workspace.settle()
    assert len(await events(workspace, "task.ready")) == 1


async def test_a_blocker_that_goes_to_another_repository_wakes_nobody(workspace: Workspace) -> None:
    there = beside(workspace, "acme/lander")
    workspace.github.add_repositories(workspace.installation, ["acme/lander"])
    second, first = await workspace.task("Second"), await workspace.task("First")
    workspace.person.block(second, first)
    await workspace.settle()
    workspace.person.transfer_issue(first, there)
    await workspace.settle()
    waiting = await task_of(workspace, second.number)
    assert waiting["task"]["id"] not in await events(workspace, "task.ready")
    assert waiting["blocked_by"] != []


async def test_a_blocker_that_a_read_takes_off_wakes_too(workspace: Workspace) -> None:
    second, first = await workspace.task("Second"), await workspace.task("First")
    workspace.person.block(second, first)
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    workspace.person.unblock(second, first)
    workspace.github.lose_deliveries(0)
    await read_relations(workspace, "blocked_by", second)
    assert len(await events(workspace, "task.ready")) == 1
    await read_relations(workspace, "blocked_by", second)
    assert len(await events(workspace, "task.ready")) == 1


async def test_a_sub_issue_that_a_read_takes_off_wakes_its_parent(workspace: Workspace) -> None:
    whole, part = await workspace.task("Whole"), await workspace.task("Part")
    workspace.person.add_sub_issue(whole, part)
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    workspace.person.remove_sub_issue(part)
    workspace.github.lose_deliveries(0)
    await read_relations(workspace, "sub_issues", whole)
    assert len(await events(workspace, "task.ready")) == 1


async def test_what_a_list_of_issues_says_has_no_blockers_is_woken_too(
    workspace: Workspace,
) -> None:
    second, first = await workspace.task("Second"), await workspace.task("First")
    whole, part = await workspace.task("Whole"), await workspace.task("Part")
    workspace.person.block(second, first)
    workspace.person.add_sub_issue(whole, part)
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    workspace.person.unblock(second, first)
    workspace.person.remove_sub_issue(part)
    workspace.github.lose_deliveries(0)
    here = (workspace.installation.id, workspace.repository.id)
    await workspace.store.write(lambda tx: backfill.begin(tx, *here))
    await workspace.settle()
    assert len(await events(workspace, "task.ready")) == 2


async def test_a_blocker_closed_where_the_app_is_not_wakes_by_its_read(
    workspace: Workspace,
) -> None:
    elsewhere = beside(workspace, "acme/open", private=False)
    far = workspace.person.open_issue(elsewhere, "Far")
    second = await workspace.task("Second")
    workspace.person.block(second, far)
    await workspace.settle()
    assert (await task_of(workspace, second.number))["blocked_by"] != []
    workspace.person.close(far)
    await read_relations(workspace, "blocked_by", second)
    assert len(await events(workspace, "task.ready")) == 1


async def test_a_sub_issue_that_goes_to_another_parent_wakes_the_first(
    workspace: Workspace,
) -> None:
    whole, other, part = [await workspace.task(each) for each in ("Whole", "Other", "Part")]
    workspace.person.add_sub_issue(whole, part)
    await workspace.settle()
    waiting = await task_of(workspace, whole.number)
    workspace.person.add_sub_issue(other, part, replace=True)
    await workspace.settle()
    assert await events(workspace, "task.ready") == [waiting["task"]["id"]]


def beside(workspace: Workspace, full_name: str, *, private: bool = True) -> Repository:
    """Another repository of the person's."""
    there = workspace.github.repository(full_name, private=private)
    workspace.github.set_permission(full_name, workspace.person.login, "admin")
    return there


async def read_relations(workspace: Workspace, kind: str, issue: Issue) -> None:
    here = (workspace.repository.id, issue.number, issue.id)
    await workspace.read(reads.relations(kind, *here))


async def test_a_parent_waits_for_its_sub_issues_and_tells_how_many_are_done(
    workspace: Workspace,
) -> None:
    whole, part, rest = [await workspace.task(each) for each in ("Whole", "Part", "Rest")]
    workspace.person.add_sub_issue(whole, part)
    workspace.person.add_sub_issue(whole, rest)
    await workspace.settle()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    assert (await agent.refusal("claim_task", task=workspace.name(whole))).code == "blocked"
    await lead.call("claim_task", task=workspace.name(whole))
    fence = (await agent.call("claim_task", task=workspace.name(part)))["fence"]
    await agent.call(
        "update_task_status", task=workspace.name(part), status="completed", fence=fence
    )
    await workspace.settle()
    explained = await task_of(workspace, whole.number)
    assert (explained["sub_issues_done"], explained["sub_issues"]) == (1, 2)
    assert explained["open_sub_issues"] == [workspace.name(rest)]
    await workspace.time_passes(900)
    assert "Sub-issues: 1 of 2 done." in whole.comments[0].body


async def test_a_circle_is_told_and_keeps_nobody_until_it_is_broken(workspace: Workspace) -> None:
    # GitHub refuses circles of blockers alone, but not of a part that waits for its whole.
    whole, part, first = [await workspace.task(each) for each in ("Whole", "Part", "First")]
    workspace.person.add_sub_issue(whole, part)
    workspace.person.block(part, first)
    await workspace.settle()
    agent = await workspace.agent("scout")
    assert (await agent.refusal("claim_task", task=workspace.name(whole))).code == "blocked"
    workspace.person.block(first, whole)
    await workspace.settle()
    assert len(await events(workspace, "task.circle")) == 3
    assert len(await events(workspace, "task.ready")) == 3
    explained = await task_of(workspace, whole.number)
    assert explained["circle"] == [workspace.name(part)]
    assert "cycle" in explained["text"]
    claimed = await agent.call("claim_task", task=workspace.name(whole))
    await agent.call("release_task", task=workspace.name(whole), fence=claimed["fence"])
    workspace.person.unblock(first, whole)
    await workspace.settle()
    assert (await agent.refusal("claim_task", task=workspace.name(whole))).code == "blocked"


async def test_a_circle_through_parent_and_blocker_ends_with_a_closed_issue(
    workspace: Workspace,
) -> None:
    whole, part, third = [await workspace.task(each) for each in ("Whole", "Part", "Third")]
    workspace.person.add_sub_issue(whole, part)
    workspace.person.block(part, third)
    workspace.person.block(third, whole)
    await workspace.settle()
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(whole)))["fence"]
    await agent.call("release_task", task=workspace.name(whole), fence=fence)
    workspace.person.close(third)
    await workspace.settle()
    # Now nothing leads back: the parent waits for its open part again.
    assert (await agent.refusal("claim_task", task=workspace.name(whole))).code == "blocked"
    workspace.person.reopen(third)
    await workspace.settle()
    assert (await agent.call("claim_task", task=workspace.name(whole)))["task"][
        "state"
    ] == "in_progress"


# SQLite has one writer: there nothing is beside another.
@pytest.mark.parametrize("store_url", ["mysql"], indirect=True)
async def test_of_two_that_open_again_beside_each_other_the_later_sees_the_circle_on_mysql(
    workspace: Workspace,
) -> None:
    whole, part = await workspace.task("Whole"), await workspace.task("Part")
    workspace.person.add_sub_issue(whole, part)
    workspace.person.block(part, whole)
    workspace.person.close(part)
    workspace.person.close(whole)
    await workspace.settle()
    i, both = workspace.installation.id, asyncio.Barrier(2)

    async def open_again(issue: Issue) -> set[int]:
        async def work(tx: Tx) -> set[int]:
            q = "UPDATE issues SET state = 'open' WHERE installation_id = :i AND id = :id"
            await tx.run(q, i=i, id=issue.id)
            await both.wait()
            return await dependency_cycles.update_cycles(tx, i, (issue.id,))

        return await workspace.store.write(work)

    found = await asyncio.gather(open_again(whole), open_again(part))
    assert sorted(found, key=len) == [set(), {whole.id, part.id}]
    q = "SELECT cyclic FROM relations WHERE installation_id = :i"
    assert await workspace.rows(q) == [{"cyclic": 1}] * 2


class Writing:
    """Notes which tables are written to, in their order."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.tables: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tx, name)

    async def run(self, sql: str, **params: Any) -> int:
        self.tables += re.findall(r"^(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)", sql)
        return await self.tx.run(sql, **params)


async def test_the_turn_comes_before_what_is_written_and_only_where_a_circle_may_change(
    workspace: Workspace,
) -> None:
    alone, whole, part = [await workspace.task(each) for each in ("Alone", "Whole", "Part")]
    workspace.person.add_sub_issue(whole, part)
    await workspace.settle()
    i = workspace.installation.id

    async def written(issue: Issue, **new: Any) -> list[str]:
        (row,) = await workspace.rows(
            "SELECT * FROM issues WHERE installation_id = :i AND id = :id", id=issue.id
        )
        new |= {"updated_at": row["updated_at"] + SECOND}
        content = {k: v for k, v in row.items() if k not in ("deleted", "version")} | new
        later = with_version("issues", content, content["updated_at"])

        async def work(tx: Tx) -> list[str]:
            noting = Writing(tx)
            await writer.apply(
                cast("Tx", noting), workspace.dispatcher.shared.keys, i, Changes((later,))
            )
            return noting.tables

        return await workspace.store.write(work)

    assert (await written(part, state="closed"))[0] == "installation_facts"
    assert (await written(part, state="open"))[0] == "installation_facts"
    for tables in (await written(part, title="Else"), await written(alone, state="closed")):
        assert "issues" in tables
        assert "installation_facts" not in tables


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=24))
@settings(max_examples=examples(50), deadline=None)
def test_a_circle_is_where_each_reaches_the_other(pairs: set[tuple[int, int]]) -> None:
    edges = [Edge("blocked_by", a, b, cyclic=False, open=True) for a, b in pairs if a != b]
    reach = {n: _reachable(n, edges) for n in range(8)}
    found = _cycles(edges)
    for a in range(8):
        for b in range(8):
            together = a != b and b in reach[a] and a in reach[b]
            assert together == (a != b and a in found and found[a] == found.get(b))


def _reachable(start: int, edges: list[Edge]) -> set[int]:
    seen, ahead = set[int](), {start}
    while ahead:
        ahead = {edge.awaited for edge in edges if edge.waits in ahead} - seen
        seen |= ahead
    return seen


async def test_blockers_that_close_at_once_leave_nobody_waiting(workspace: Workspace) -> None:
    last = await workspace.task("Last")
    blockers = [await workspace.task(f"First {n}") for n in range(5)]
    for each in blockers:
        workspace.person.block(last, each)
    await workspace.settle()
    await asyncio.gather(*(asyncio.to_thread(workspace.person.close, each) for each in blockers))
    await workspace.settle()
    agent = await workspace.agent("scout")
    assert (await agent.call("claim_task"))["task"]["number"] == last.number


class Counting:
    """Counts statements, and the rows that come back."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.statements = 0
        self.rows = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tx, name)

    async def all(self, sql: str, **params: Any) -> list[Row]:
        found = await self.tx.all(sql, **params)
        self.statements += 1
        self.rows += len(found)
        return found

    async def run(self, sql: str, **params: Any) -> int:
        self.statements += 1
        return await self.tx.run(sql, **params)

    async def many(self, sql: str, rows: Sequence[Row]) -> None:
        self.statements += 1
        await self.tx.many(sql, rows)


async def count_statements(
    workspace: Workspace, work: Callable[[Any], Awaitable[Any]]
) -> tuple[int, int]:
    """How many statements it took, and how many rows it read."""

    async def counting(tx: Tx) -> tuple[int, int]:
        noting = Counting(tx)
        await work(noting)
        return noting.statements, noting.rows

    return await workspace.store.write(counting)


HUB = 10**9


def part(number: int) -> Row:
    """A sub-issue of the hub."""
    return {
        "kind": "parent",
        "source_id": HUB + number,
        "source_name": f"acme/rocket#{number}",
        "source_state": "open",
        "target_id": HUB,
        "target_name": "acme/rocket#1",
        "target_state": "open",
    }


async def test_a_thousand_sub_issues_are_settled_in_a_few_statements(workspace: Workspace) -> None:
    parts, i = [part(n) for n in range(1, 1001)], workspace.installation.id

    async def replaced(found: list[Row]) -> tuple[int, int]:
        return await count_statements(
            workspace, lambda tx: relations.replace(tx, i, "parent", HUB, found)
        )

    async def put(relation: Row) -> tuple[int, int]:
        return await count_statements(workspace, lambda tx: relations.put(tx, i, relation))

    statements, rows = await replaced(parts)
    assert (statements <= 10, rows <= 1_000) == (True, True)
    statements, rows = await replaced(parts)
    assert (statements <= 10, rows <= 2_000) == (True, True)
    # One more, and one less, does not look at all the others.
    statements, rows = await put(part(1001))
    assert (statements <= 10, rows <= 5) == (True, True)
    gone = (HUB + 1, HUB)
    statements, rows = await count_statements(
        workspace, lambda tx: relations.remove(tx, i, "parent", *gone)
    )
    assert (statements <= 10, rows <= 5) == (True, True)
    q = "SELECT COUNT(*) AS n FROM relations WHERE installation_id = :i AND target_id = :hub"
    assert await workspace.rows(q, hub=HUB) == [{"n": 1000}]


async def test_a_circle_among_many_sub_issues_is_found_at_once(workspace: Workspace) -> None:
    parts, i = [part(n) for n in range(1, 101)], workspace.installation.id
    back = {**part(50), "kind": "blocked_by"}
    await workspace.store.write(lambda tx: relations.put(tx, i, back))
    changed = await workspace.store.write(lambda tx: relations.replace(tx, i, "parent", HUB, parts))
    assert changed.newly_in_cycle == {HUB, HUB + 50}
    again = await workspace.store.write(lambda tx: relations.replace(tx, i, "parent", HUB, parts))
    assert (again.newly_in_cycle, again.were_blocked) == (set(), {HUB})
    q = "SELECT source_id FROM relations WHERE installation_id = :i AND cyclic = 1"
    assert [row["source_id"] for row in await workspace.rows(q)] == [HUB + 50, HUB + 50]
    less = [each for each in parts if each["source_id"] != HUB + 50]
    await workspace.store.write(lambda tx: relations.remove(tx, i, "parent", HUB + 50, HUB))
    await workspace.store.write(lambda tx: relations.replace(tx, i, "parent", HUB, less))
    assert await workspace.rows(q) == []


async def test_a_blocker_that_nobody_can_name_is_no_hindrance_to_another(
    workspace: Workspace,
) -> None:
    issue, blocker = await workspace.task(), await workspace.task("Blocker")
    far = workspace.github.repository("acme/far", private=True)
    workspace.github.set_permission("acme/far", "octocat", "admin")
    workspace.person.block(issue, by=workspace.person.open_issue(far, "Far away"))
    await workspace.settle()
    agent = await workspace.agent("scout")
    given = {"issue": workspace.name(issue), "blocked_by": [workspace.name(blocker)]}
    await agent.call("github_update_issue", **given)
    await workspace.settle()
    assert blocker in issue.blocked_by
    assert len(issue.blocked_by) == 2
