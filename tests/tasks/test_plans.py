"""Tasks that are created together with their parents and blockers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.github import Issue
from store.engine.database import open_store
from store.engine.transaction import Tx
from tests.support.engines import ON_SQLITE
from tests.support.mcp_clients import connect
from tests.support.server_in_process import Surface, serving
from tests.support.story import Agent, Clock, Workspace, open_workspace

R = "acme/rocket"
CHAIN: list[dict[str, Any]] = [
    {"id": "a", "title": "Lay the keel"},
    {"id": "b", "title": "Sail", "blocked_by": ["a"]},
]


@pytest.fixture
async def surface(workspace: Workspace) -> AsyncIterator[Surface]:
    """A server of the workspace's installation."""
    async with serving(workspace.store, workspace.installation.id) as made:
        yield made


@pytest.fixture
async def sqlite_workspace(
    sqlite_url: str, clock: Clock, openapi: Path | None
) -> AsyncIterator[Workspace]:
    opened = await open_store(sqlite_url, clock)
    async with open_workspace(opened, clock, openapi) as made:
        yield made
    await opened.close()


def issues(workspace: Workspace) -> dict[str, Issue]:
    return {each.title: each for each in workspace.repository.issues.values()}


async def make(agent: Agent, tasks: list[dict[str, Any]]) -> dict[str, str]:
    """Create the tasks of a plan. Return their ids by their names in the call."""
    made = await agent.call("create_tasks", repository=R, tasks=tasks)
    return {each["id"]: each["task"] for each in made["tasks"]}


async def send(workspace: Workspace, issue_writes: int) -> None:
    """Send until GitHub has so many issues. No webhook is processed."""
    before = len(workspace.repository.issues)
    while len(workspace.repository.issues) < before + issue_writes:
        workspace.clock.forward(await workspace.sender.step(workspace.installation.id) or 0)


async def test_a_plan_sent_over_mcp_becomes_issues_with_their_parents_and_blockers(
    workspace: Workspace, surface: Surface
) -> None:
    await workspace.agent("ada")
    workspace.person.create_label(workspace.repository, "needs:go")
    old = workspace.person.open_issue(workspace.repository, "Buy wood")
    await workspace.settle()
    plan = [
        {"id": "sail", "title": "Sail", "blocked_by": ["keel", workspace.name(old)], "parent": "x"},
        {"id": "keel", "title": "Keel", "parent": "x", "labels": ["needs:go"], "priority": "high"},
        {"id": "x", "title": "Build a ship"},
    ]
    async with connect(surface) as client:
        called = await client.call_tool("create_tasks", {"repository": R, "tasks": plan})
        made = called.structured_content
        assert made is not None
    await workspace.settle()
    found = issues(workspace)
    ship, keel, sail = found["Build a ship"], found["Keel"], found["Sail"]
    # Parents and blockers come first, so that no relation waits for them.
    assert ship.number < keel.number < sail.number
    assert (keel.parent, sail.parent) == (ship, ship)
    assert (keel.blocked_by, sail.blocked_by) == ([], [keel, old])
    assert [(each["id"], len(each["writes"])) for each in made["tasks"]] == [
        ("sail", 4),
        ("keel", 2),
        ("x", 1),
    ]
    assert "cannot be claimed until all its sub-issues are closed" in made["hint"]
    assert [each.name for each in keel.labels] == ["agent-task", "needs:go"]
    rows = await workspace.rows(
        "SELECT number, priority, capabilities FROM tasks "
        "WHERE installation_id = :i ORDER BY number"
    )
    assert rows[1] == {"number": keel.number, "priority": 2, "capabilities": '["go"]'}


async def test_each_task_of_a_plan_says_when_the_last_of_its_writes_goes_out(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    began = workspace.clock.at
    made = await lead.call("create_tasks", repository=R, tasks=CHAIN)
    first, second = (each["writes"][-1]["expected_at"] for each in made["tasks"])
    assert first < second
    await workspace.settle()
    took = await workspace.rows(
        "SELECT MAX(finished_at) AS at FROM writes WHERE installation_id = :i "
        "AND kind = 'blocked_by'"
    )
    forecast = await workspace.rows(
        "SELECT COUNT(*) AS n FROM planned_relations WHERE installation_id = :i"
    )
    assert forecast == [{"n": 0}]
    # Three writes that notify people, three seconds apart.
    assert 6 <= (took[0]["at"] - began) / 1_000_000 < 10


@ON_SQLITE
async def test_a_task_cannot_be_claimed_before_its_relations_are_on_github(
    workspace: Workspace,
) -> None:
    lead, dev = await workspace.agent("lead", "tech-lead"), await workspace.agent("dev")
    made = await make(lead, CHAIN)
    await send(workspace, 2)
    refused = await dev.refusal("claim_task", task=made["b"])
    assert (refused.code, refused.message.partition("write w_")[1]) == (
        "relations_pending",
        "write w_",
    )
    explained = await dev.call("explain_task", task=made["b"])
    assert [each["code"] for each in explained["reasons"]] == ["relations_pending"]
    to_lead = await lead.call("explain_task", task=made["b"])
    assert to_lead["claimable"]
    assert "GitHub does not have all its relations to other issues yet" in to_lead["text"]
    ready = (await dev.call("list_tasks", state="ready"))["tasks"]
    assert [each["title"] for each in ready] == ["Lay the keel"]


async def test_a_blocked_task_is_never_ready_between_the_relation_and_its_webhook(
    workspace: Workspace,
) -> None:
    lead, dev = await workspace.agent("lead", "tech-lead"), await workspace.agent("dev")
    made = await make(lead, CHAIN)
    while (wait := await workspace.sender.step(workspace.installation.id)) is not None:
        workspace.clock.forward(wait)
    assert issues(workspace)["Sail"].blocked_by == [issues(workspace)["Lay the keel"]]
    assert (await dev.refusal("claim_task", task=made["b"])).code == "blocked"
    assert (await dev.call("claim_task"))["task"]["title"] == "Lay the keel"
    await workspace.settle()
    workspace.person.close(issues(workspace)["Lay the keel"])
    await workspace.settle()
    assert (await dev.call("claim_task"))["task"]["title"] == "Sail"


async def test_a_parent_waits_for_sub_issues_that_are_only_queued(workspace: Workspace) -> None:
    lead, dev = await workspace.agent("lead", "tech-lead"), await workspace.agent("dev")
    epic = await workspace.task("Epic")
    made = await lead.call("create_task", repository=R, title="Part", parent=f"#{epic.number}")
    assert "until all its sub-issues are closed" in made["hint"]
    assert [each["kind"] for each in made["writes"]] == ["issue", "sub_issue"]
    assert (await dev.refusal("claim_task", task=workspace.name(epic))).code == "relations_pending"
    await workspace.settle()
    assert epic.sub_issues == [issues(workspace)["Part"]]
    assert (await dev.refusal("claim_task", task=workspace.name(epic))).code == "blocked"
    assert (await dev.call("claim_task"))["task"]["title"] == "Part"


async def test_a_task_may_name_one_as_its_blocker_that_has_no_issue_yet(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    first = (await lead.call("create_task", repository=R, title="Keel"))["task"]["id"]
    await lead.call("create_task", repository=R, title="Sail", blocked_by=[first])
    await workspace.settle()
    assert issues(workspace)["Sail"].blocked_by == [issues(workspace)["Keel"]]


async def test_when_the_last_relation_is_on_github_an_event_says_that_the_task_is_ready(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    epic = workspace.person.open_issue(workspace.repository, "Epic")
    await workspace.settle()
    made = await lead.call("create_task", repository=R, title="Part", parent=f"#{epic.number}")
    await workspace.settle()
    rows = await workspace.rows(
        "SELECT data FROM events WHERE installation_id = :i AND kind = 'task.ready' "
        "AND subject = :t",
        t=made["task"]["id"],
    )
    assert any("GitHub has its relations" in each["data"] for each in rows)


@ON_SQLITE
async def test_a_relation_that_github_refuses_puts_the_task_on_hold_and_its_creator_is_told(
    workspace: Workspace,
) -> None:
    lead, dev = await workspace.agent("lead", "tech-lead"), await workspace.agent("dev")
    workspace.github.fault("POST", "/dependencies/blocked_by$", "422", times=9)
    made = await make(lead, CHAIN)
    await workspace.settle()
    refused = await dev.refusal("claim_task", task=made["b"])
    assert refused.code == "on_hold"
    assert "relation to acme/rocket#1 could not be made on GitHub" in refused.message
    notices = (await lead.call("list_tasks"))["notices"]
    assert "write_failed" in [each["kind"] for each in notices]
    await lead.call("change_task", task=made["b"], hold=False)
    assert (await dev.call("claim_task", task=made["b"]))["task"]["state"] == "in_progress"


async def test_a_blocker_that_is_cancelled_before_it_has_an_issue_blocks_nobody(
    workspace: Workspace,
) -> None:
    lead, dev = await workspace.agent("lead", "tech-lead"), await workspace.agent("dev")
    made = await make(lead, CHAIN)
    await lead.call("change_task", task=made["a"], state="cancelled")
    await workspace.settle()
    assert (await dev.call("claim_task"))["task"]["id"] == made["b"]


async def test_a_blocker_whose_issue_github_refuses_puts_the_waiting_task_on_hold(
    workspace: Workspace,
) -> None:
    lead, dev = await workspace.agent("lead", "tech-lead"), await workspace.agent("dev")
    workspace.github.fault("POST", "/issues$", "422", times=1)
    made = await make(lead, CHAIN)
    await workspace.settle()
    states = [(await dev.call("get_task", task=made[each]))["task"] for each in "ab"]
    assert [(each["state"], each["held"]) for each in states] == [
        ("failed", False),
        ("pending", True),
    ]


async def test_a_relation_to_a_task_that_will_get_no_issue_does_not_wait_forever(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    made = await make(lead, CHAIN)

    async def lose_the_issue(tx: Tx) -> None:
        q = "UPDATE writes SET state = 'sent' WHERE installation_id = :i AND target = :t"
        await tx.run(q, i=workspace.installation.id, t=f"task {made['a']}")

    await workspace.store.write(lose_the_issue)
    await workspace.settle()
    held = (await lead.call("get_task", task=made["b"]))["task"]
    assert held["held"]
    assert "the task 'Lay the keel' got no issue" in held["held_why"]


async def test_a_process_that_dies_at_any_write_of_a_plan_leaves_it_whole_for_the_next(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    plan = [*CHAIN, {"id": "c", "title": "Rest", "parent": "a", "blocked_by": ["b"]}]
    refused = await lead.refusal("create_tasks", repository=R, tasks=plan)
    assert "would wait for each other" in refused.message
    plan[2] = {"id": "c", "title": "Rest", "parent": "b"}
    await make(lead, plan)
    for _ in range(5):
        await workspace.die_while_sending()
    await workspace.settle()
    found = issues(workspace)
    assert len(workspace.repository.issues) == 3
    assert found["Sail"].blocked_by == [found["Lay the keel"]]
    assert found["Rest"].parent is found["Sail"]
    left = "SELECT COUNT(*) AS n FROM planned_relations WHERE installation_id = :i"
    assert await workspace.rows(left) == [{"n": 0}]


WRONG: list[tuple[list[dict[str, Any]], str, str]] = [
    # A name twice.
    ([CHAIN[0], CHAIN[0] | {"title": "x"}], "invalid_arguments", "Two tasks have the `id` 'a'"),
    # The same title twice, but for case and spaces.
    (
        [CHAIN[0], {"id": "b", "title": "lay  the Keel"}],
        "invalid_arguments",
        "'a' and 'b' have the same title",
    ),
    # A name that nothing has.
    ([CHAIN[1], {"id": "c", "title": "x"}], "unknown_task", "a task's id, or an `id` of this call"),
    # An issue that does not exist.
    ([{"id": "c", "title": "x", "parent": "#99"}], "unknown_task", "acme/rocket#99"),
    # A cycle of blockers.
    (
        [CHAIN[0] | {"blocked_by": ["b"]}, CHAIN[1]],
        "invalid_arguments",
        "These would wait for each other: 'a' → 'b' → 'a'",
    ),
    # A task that blocks itself.
    (
        [CHAIN[0] | {"blocked_by": ["a"]}],
        "invalid_arguments",
        "These would wait for each other: 'a' → 'a'",
    ),
    # A sub-issue that waits for its parent, which waits for it.
    (
        [CHAIN[0], CHAIN[1] | {"parent": "a"}],
        "invalid_arguments",
        "wait for each other",
    ),
    # A label that the repository lacks.
    ([CHAIN[0] | {"labels": ["nope"]}], "invalid_arguments", "no label 'nope'"),
    # More levels than GitHub allows.
    (
        [
            {"id": f"{n}", "title": f"{n}", **({"parent": f"{n - 1}"} if n else {})}
            for n in range(9)
        ],
        "too_many",
        "'8' would be at level 9 of sub-issues; GitHub allows 8",
    ),
    # More writes than an agent may have in the queue.
    (
        [
            {"id": f"{n}", "title": f"{n}", "blocked_by": [f"{m}" for m in range(n)]}
            for n in range(21)
        ],
        "rate_limited",
        "this adds 231; the limit is 200",
    ),
]


@pytest.mark.parametrize(("plan", "code", "words"), WRONG)
async def test_a_plan_that_cannot_be_is_refused_as_a_whole(
    sqlite_workspace: Workspace, plan: list[dict[str, Any]], code: str, words: str
) -> None:
    """On SQLite only, because the checks are the same on both engines."""
    workspace = sqlite_workspace
    workspace.person.create_label(workspace.repository, "bug")
    await workspace.settle()
    lead = await workspace.agent("lead", "tech-lead")
    refused = await lead.refusal("create_tasks", repository=R, tasks=plan)
    assert refused.code == code, refused.message
    assert words in refused.message
    assert await workspace.rows("SELECT id FROM tasks WHERE installation_id = :i") == []
    assert await workspace.rows("SELECT id FROM writes WHERE installation_id = :i") == []


@ON_SQLITE
async def test_a_cycle_by_way_of_existing_issues_is_refused(workspace: Workspace) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    epic, other = await workspace.task("Epic"), await workspace.task("Other")
    workspace.person.block(other, epic)
    await workspace.settle()
    refused = await lead.refusal(
        "create_task",
        repository=R,
        title="Part",
        parent=workspace.name(epic),
        blocked_by=[workspace.name(other)],
    )
    assert "'Part' → acme/rocket#2 → acme/rocket#1 → 'Part'" in refused.message


@ON_SQLITE
async def test_a_cycle_by_way_of_another_plan_that_is_still_queued_is_refused(
    workspace: Workspace,
) -> None:
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    bow, stern = [workspace.name(await workspace.task(each)) for each in ("Bow", "Stern")]
    await make(ada, [{"id": "a", "title": "Keel", "blocked_by": [bow], "parent": stern}])
    plan = [{"id": "b", "title": "Sail", "blocked_by": [stern], "parent": bow}]
    refused = await bob.refusal("create_tasks", repository=R, tasks=plan)
    assert f"'b' → {stern} → {bow} → 'b'" in refused.message
    await make(bob, [{"id": "b", "title": "Sail", "parent": bow}])


@ON_SQLITE
async def test_relations_cannot_be_changed_while_they_are_being_made(workspace: Workspace) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    made = await make(lead, CHAIN)
    await send(workspace, 2)
    while await workspace.process_delivery():
        pass
    name = (await lead.call("get_task", task=made["b"]))["task"]["task"]
    for operation, given in (
        ("github_update_issue", {"issue": name, "blocked_by": []}),
        ("change_task", {"task": name, "unblocked_by": "#1"}),
    ):
        assert (await lead.refusal(operation, **given)).code == "relations_pending"
    await workspace.settle()
    await lead.call("change_task", task=name, unblocked_by="#1")
    await workspace.settle()
    assert issues(workspace)["Sail"].blocked_by == []


async def test_who_makes_an_issue_a_parent_is_told_that_it_waits(workspace: Workspace) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    epic, part = await workspace.task("Epic"), await workspace.task("Part")
    moved = await lead.call(
        "github_update_issue", issue=workspace.name(part), parent=workspace.name(epic)
    )
    assert "cannot be claimed until all its sub-issues are closed" in moved["hint"]
