"""Who holds a task of a plan is told when the plan changes."""

from typing import Any

import pytest

from store.tables.agents import Role
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


async def plan(workspace: Workspace, role: Role = "developer") -> tuple[Any, Any, Agent]:
    """A parent, its sub-issue, and the agent that holds the sub-issue's task."""
    parent, child = [await workspace.task(each) for each in ("The whole", "A part")]
    workspace.person.add_sub_issue(parent, child)
    await workspace.settle()
    scout = await workspace.agent("scout", role)
    await scout.call("claim_task", task=workspace.name(child))
    return parent, child, scout


async def unseen(workspace: Workspace) -> list[str]:
    """The notices that scout has not seen."""
    rows = await workspace.rows(
        "SELECT message FROM notices WHERE installation_id = :i AND agent_id = 'scout' "
        "AND kind = 'plan_changed' AND seen_at IS NULL"
    )
    return [row["message"] for row in rows]


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("/hold Wait for the law", "was put on hold (by @octocat): Wait for the law."),
        ("/cancel Not wanted", "was cancelled (by @octocat): Not wanted."),
    ],
)
async def test_a_decision_about_the_parent_reaches_who_holds_a_part(
    workspace: Workspace, command: str, what: str
) -> None:
    parent, child, scout = await plan(workspace)
    workspace.person.comment(parent, command)
    await workspace.settle()
    begin = f"{workspace.name(parent)}, which your task is a part of, "
    (told,) = await unseen(workspace)
    assert told == (
        f"{begin}{what} get_plan shows the plan. Ask whether your task is still wanted."
    )
    answer = await scout.call("list_tasks")
    assert told in [each["message"] for each in answer["notices"]]
    held = (await scout.call("get_task", task=workspace.name(child)))["task"]
    assert held["holder"] == "scout"


async def test_a_new_part_and_a_new_blocker_are_told_once(workspace: Workspace) -> None:
    parent, child, _ = await plan(workspace)
    other = await workspace.task("Another part")
    workspace.person.add_sub_issue(parent, other)
    await workspace.settle()
    (told,) = await unseen(workspace)
    assert "has other sub-issues or blockers now (by @octocat)." in told
    workspace.person.block(other, child)
    await workspace.settle()
    assert len(await unseen(workspace)) == 1
    q = "SELECT kind FROM events WHERE installation_id = :i AND kind = 'task.plan_changed'"
    # GitHub sends two webhooks for each relation.
    assert len(await workspace.rows(q)) == 2


@ON_SQLITE
async def test_an_agent_that_changes_the_plan_tells_the_others(workspace: Workspace) -> None:
    _, child, _ = await plan(workspace)
    lead, other = await workspace.agent("lead", "tech-lead"), await workspace.task()
    given = {"task": workspace.name(child), "blocked_by": workspace.name(other)}
    await lead.call("change_task", **given)
    await workspace.settle()
    (told,) = await unseen(workspace)
    assert "has other sub-issues or blockers now (by lead)." in told


@ON_SQLITE
async def test_who_decides_about_its_own_plan_reads_nothing_of_it(workspace: Workspace) -> None:
    parent, _, scout = await plan(workspace, "tech-lead")
    await scout.call("change_task", task=workspace.name(parent), hold=True)
    assert await unseen(workspace) == []
