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
    return [said for said, _ in counting.visits.statements]


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
