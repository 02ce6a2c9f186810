"""How many statements a call takes, without the one every 30 s that writes who is active.

Each statement is a round trip to MySQL, and agents wait for it.
"""

from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from tests.support.rows_visited import CountingStore, Visits
from tests.support.story import Workspace


async def statements(workspace: Workspace, name: str, **given: Any) -> list[str]:
    """The statements of a call of an agent that has just called. What it writes is rolled back."""
    agent, counting = await workspace.agent("scout"), CountingStore(workspace.store)
    dispatcher = Dispatcher(counting, workspace.dispatcher.shared)
    await dispatcher.call(agent.actor, "list_agents", {})
    counting.visits = Visits()
    await dispatcher.call(agent.actor, name, given)
    # What gets numbers is sent to MySQL in one packet with the COMMIT, and no head is read for it.
    said = [each for each, _ in counting.visits.statements]
    return [each for each in said if not each.startswith("SELECT installation_id, seq FROM heads")]


async def test_a_task_with_comments_and_a_blocker_is_read_in_five_statements(
    workspace: Workspace,
) -> None:
    issue, other = await workspace.task("Mend the pump"), await workspace.task("Buy a valve")
    workspace.person.comment(issue, "Look at the valve.")
    workspace.person.block(issue, other)
    await workspace.settle()
    said = await statements(workspace, "get_task", task=workspace.name(issue))
    assert len(said) <= 5, said
    assert any("FROM comments" in each for each in said)
    assert any("FROM relations" in each for each in said)


async def test_a_list_of_tasks_is_read_in_three_statements(workspace: Workspace) -> None:
    for title in ("Mend the pump", "Buy a valve", "Paint the hull"):
        await workspace.task(title)
    said = await statements(workspace, "list_tasks")
    assert len(said) <= 3, said


async def test_the_best_task_is_claimed_in_fourteen_statements(
    workspace: Workspace,
) -> None:
    for title in ("Mend the pump", "Buy a valve"):
        await workspace.task(title, "It smokes.")
    said = await statements(workspace, "claim_task")
    assert len(said) <= 14, said
    assert any("INSERT INTO leases" in each for each in said)


async def test_a_named_task_is_claimed_in_fourteen_statements(workspace: Workspace) -> None:
    name = workspace.name(await workspace.task("Mend the pump", "It smokes."))
    said = await statements(workspace, "claim_task", task=name)
    assert len(said) <= 14, said
    assert any("INSERT INTO leases" in each for each in said)


async def test_progress_is_reported_in_twelve_statements_and_a_task_given_back_in_twenty_two(
    workspace: Workspace,
) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task("Mend the pump")
    await scout.call("claim_task")
    held = {"task": workspace.name(issue), "fence": 1}
    report = {**held, "status": "in_progress", "progress": 30, "note": "Half way"}
    said = await statements(workspace, "update_task_status", **report)
    assert len(said) <= 12, said
    await scout.call("update_task_status", **report)
    said = await statements(workspace, "release_task", **held, note="The valve is missing.")
    assert len(said) <= 22, said


async def test_a_notice_about_several_claims_reads_their_tasks_by_one_statement(
    workspace: Workspace,
) -> None:
    scout = await workspace.agent("scout")
    for title in ("Mend the pump", "Buy a valve", "Paint the hull"):
        await workspace.task(title)
        await scout.call("claim_task")
    workspace.clock.forward(61)
    said = await statements(workspace, "list_agents")
    assert sum("t.id IN :ids" in each for each in said) == 1
    assert not any("t.id = :t" in each for each in said)
