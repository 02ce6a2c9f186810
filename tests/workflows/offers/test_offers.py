"""Who gets a ready step: its agent, a run, or first the best by the policy."""

from typing import Any

from bot.attention import items
from bot.times import SECOND
from tests.support import agent_runs
from tests.support.agent_endpoints import Acknowledging, lead, set_endpoint
from tests.support.engines import ON_SQLITE
from tests.support.receivers import serving
from tests.support.story import Agent, Workspace
from tests.support.workflow_rows import Started, begin
from tests.support.workflows import define

POLICY = """
policy: {prefer: [success, load], reserve: 2m}
steps:
  - {id: build, title: Build it, body: Do it, capability: rust}
  - {id: ship, title: Ship it, body: Do it, needs: [build]}
"""
RUN = """
steps:
  - {id: build, title: Build it, body: Do it, template: fixer}
"""
NAMED = """
steps:
  - {id: build, title: Build it, body: Do it, agent: ada}
"""


async def experience(workspace: Workspace, agent: Agent, *ends: str) -> None:
    """Tasks that need rust, and how the agent ends each."""
    for end in ends:
        issue = workspace.person.open_issue(
            workspace.repository, "Earlier", labels=["agent-task", "capability: rust"]
        )
        await workspace.settle()
        name = workspace.name(issue)
        fence = (await agent.call("claim_task", task=name))["fence"]
        await agent.call("update_task_status", task=name, status=end, fence=fence, note="x")
        await workspace.settle()


async def reserved(workspace: Workspace, started: Started, step: str) -> str | None:
    number = started.issues[step].number
    q = "SELECT assigned_to FROM tasks WHERE installation_id = :i AND number = :n"
    (row,) = await workspace.rows(q, n=number)
    found: str | None = row["assigned_to"]
    return found


async def time_passes_until(workspace: Workspace, column: str, table: str, *, seconds: int) -> None:
    """Until so many seconds after the time in the only row that has one."""
    q = f"SELECT {column} AS at FROM {table} WHERE installation_id = :i AND {column} IS NOT NULL"
    (row,) = await workspace.rows(q)
    await workspace.time_passes(row["at"] / SECOND - workspace.clock.now() + seconds)


async def needs_person(workspace: Workspace) -> list[str]:
    i = workspace.installation.id
    found = await workspace.store.read(lambda tx: items.open_items(tx, i))
    return [each.title for each in found]


async def why(agent: Agent, started: Started, step: str) -> str:
    answer: dict[str, Any] = await agent.call("explain_task", task=started.name(step))
    return str(answer["text"])


async def test_a_ready_step_is_kept_for_the_best_agent_and_then_open_to_all(
    workspace: Workspace,
) -> None:
    good = await workspace.agent("good", "developer", "rust")
    poor = await workspace.agent("poor", "developer", "rust")
    other = await workspace.agent("other", "developer", "python")
    await experience(workspace, good, "completed", "completed", "completed")
    await experience(workspace, poor, "completed", "failed", "failed")
    started = await begin(workspace, POLICY)
    assert await reserved(workspace, started, "build") == "good"
    text = await why(poor, started, "build")
    assert "3 of 3 such tasks done, holds 0 tasks" in text
    assert "poor: 1 of 3 such tasks done, holds 0 tasks" in text
    assert "other" not in text
    refused = await poor.refusal("claim_task", task=started.name("build"))
    assert refused.code == "reserved"
    await time_passes_until(workspace, "until_at", "step_offers", seconds=-1)
    assert (await poor.refusal("claim_task", task=started.name("build"))).code == "reserved"
    await workspace.time_passes(2)
    assert await reserved(workspace, started, "build") is None
    assert "It was kept for good until" in await why(other, started, "build")
    await poor.call("claim_task", task=started.name("build"))


async def test_a_step_is_offered_when_nothing_blocks_it_any_more(workspace: Workspace) -> None:
    ada = await workspace.agent("ada", "developer", "rust")
    started = await begin(workspace, POLICY)
    assert await reserved(workspace, started, "ship") is None
    fence = (await ada.call("claim_task", task=started.name("build")))["fence"]
    build = started.name("build")
    await ada.call("update_task_status", task=build, status="completed", fence=fence, note="x")
    await workspace.settle()
    assert await reserved(workspace, started, "ship") == "ada"
    assert (await ada.call("claim_task"))["task"]["task"] == started.name("ship")


async def test_a_step_that_nobody_here_can_take_is_open_to_all(workspace: Workspace) -> None:
    python = await workspace.agent("ada", "developer", "python")
    started = await begin(workspace, POLICY)
    assert await reserved(workspace, started, "build") is None
    assert "no agent that is here could take it" in await why(python, started, "build")


@ON_SQLITE
async def test_an_agent_that_hubbub_reaches_gets_a_step_although_it_called_long_ago(
    workspace: Workspace,
) -> None:
    async with serving(Acknowledging()) as receiver:
        for name in ("coder", "silent"):
            await workspace.agent(name, "developer", "rust")
        await set_endpoint(workspace, "coder", "callback", receiver.url)
        await workspace.time_passes(16 * 60)
        started = await begin(workspace, POLICY)
        assert await reserved(workspace, started, "build") == "coder"
        await lead(workspace).call("manage_agent_endpoint", agent_id="coder", action="off")
        await workspace.time_passes(16 * 60)
        again = await begin(workspace, POLICY)
        assert await reserved(workspace, again, "build") is None


async def test_an_agent_that_has_as_much_as_it_may_have_gets_no_step(workspace: Workspace) -> None:
    ada = await workspace.agent("ada", "developer", "rust")
    for _ in range(3):
        await workspace.task()
        await ada.call("claim_task")
    started = await begin(workspace, POLICY)
    assert await reserved(workspace, started, "build") is None


async def test_the_step_of_an_agent_that_died_goes_to_another_one_with_what_it_left(
    workspace: Workspace,
) -> None:
    ada = await workspace.agent("ada", "developer", "rust")
    started = await begin(workspace, POLICY)
    build = started.name("build")
    fence = (await ada.call("claim_task", task=build, lease_s=60))["fence"]
    await ada.call(
        "update_task_status",
        task=build,
        status="in_progress",
        fence=fence,
        progress=40,
        note="The parser is done; the writer is left",
    )
    bob = await workspace.agent("bob", "developer", "rust")
    await workspace.time_passes(61)
    assert await reserved(workspace, started, "build") == "bob"
    assert "ada: " in await why(bob, started, "build")
    claimed = await bob.call("claim_task")
    assert claimed["task"]["task"] == build
    assert claimed["handoff"]["holder"] == "ada"
    assert claimed["handoff"]["note"] == "The parser is done; the writer is left"


async def test_a_step_that_names_an_agent_is_kept_for_it_without_an_end(
    workspace: Workspace,
) -> None:
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    started = await begin(workspace, NAMED)
    for _ in range(3):
        await workspace.time_passes(25 * 3600)
        assert (await bob.refusal("claim_task", task=started.name("build"))).code == "reserved"
    assert "Its step names ada." in await why(bob, started, "build")
    await ada.call("claim_task", task=started.name("build"))


async def test_a_step_whose_agent_is_away_needs_a_person_and_is_open_to_all_after_a_day(
    workspace: Workspace,
) -> None:
    bob = await workspace.agent("bob")
    started = await begin(workspace, NAMED)
    text = await why(bob, started, "build")
    assert "Its step names ada, which has never registered." in text
    assert await needs_person(workspace) == [
        f"{started.name('build')} “Build it” is kept for ada, which is not here."
    ]
    await workspace.time_passes(24 * 3600 + 1)
    assert await needs_person(workspace) == []
    await bob.call("claim_task", task=started.name("build"))


async def test_a_step_with_a_template_starts_a_run_when_it_is_ready(workspace: Workspace) -> None:
    await agent_runs.set_templates(workspace)
    started = await begin(workspace, RUN)
    other = await workspace.agent("other")
    refused = await other.refusal("claim_task", task=started.name("build"))
    assert refused.code == "on_hold"
    assert "Hubbub starts a run of fixer for it" in refused.message
    await workspace.time_passes(1)
    ((run_id, task_agent, state),) = await agent_runs.stored_runs(
        workspace, "id", "agent_id", "state"
    )
    assert state == "dispatched"
    assert await reserved(workspace, started, "build") == task_agent
    agent = await agent_runs.begin(workspace, {"run_id": run_id})
    assert (await agent.call("claim_task"))["task"]["task"] == started.name("build")


async def test_a_run_that_limits_refuse_is_tried_again_and_the_task_says_why(
    workspace: Workspace,
) -> None:
    other = await workspace.agent("other")
    started = await begin(workspace, RUN)
    await workspace.time_passes(1)
    text = await why(other, started, "build")
    assert "no run of fixer could start: " in text
    assert "Hubbub tries again at " in text
    await agent_runs.set_templates(workspace)
    await time_passes_until(workspace, "spawn_at", "workflow_steps", seconds=-1)
    assert await agent_runs.stored_runs(workspace, "state") == []
    await workspace.time_passes(2)
    assert await agent_runs.stored_runs(workspace, "state") == [("dispatched",)]


async def test_a_person_may_let_others_take_a_step_that_waits_for_a_run(
    workspace: Workspace,
) -> None:
    other = await workspace.agent("other")
    started = await begin(workspace, RUN)
    await workspace.time_passes(1)
    workspace.person.comment(started.issues["build"], "/resume")
    await workspace.settle()
    await workspace.time_passes(301)
    await other.call("claim_task", task=started.name("build"))
    assert await agent_runs.stored_runs(workspace, "state") == []


BY_TEMPLATE = """
steps:
  - {id: build, title: Build it, body: Do it, template: fixer}
"""
CALL = {"name": "feature", "repository": "acme/rocket"}


async def test_an_agent_that_may_start_no_agents_starts_none_by_a_workflow(
    workspace: Workspace,
) -> None:
    only_leads = f"{agent_runs.FIXER}agents:\n  spawn_agent: tech-lead\n"
    await agent_runs.set_templates(workspace, only_leads)
    await define(workspace, BY_TEMPLATE)
    ada = await workspace.agent("ada")
    refused = await ada.refusal("start_workflow", **CALL)
    assert (refused.code, "spawn_agent needs the role tech-lead" in refused.message) == (
        "forbidden",
        True,
    )
    lead = await workspace.agent("lea", "tech-lead")
    await lead.call("start_workflow", **CALL)


async def test_the_runs_of_a_workflow_are_below_the_agent_that_started_it(
    workspace: Workspace,
) -> None:
    await agent_runs.set_templates(workspace)
    await define(workspace, BY_TEMPLATE)
    ada = await workspace.agent("ada")
    await ada.call("start_workflow", **CALL)
    await workspace.settle()
    await workspace.time_passes(1)
    ((run_id, agent_id, asked_by),) = await agent_runs.stored_runs(
        workspace, "id", "agent_id", "asked_by"
    )
    assert asked_by == "ada"
    (row,) = await workspace.rows(
        "SELECT parent_id FROM agents WHERE installation_id = :i AND id = :a", a=agent_id
    )
    assert row["parent_id"] == "ada"
    # A run would start runs without end, beside the limits that it has.
    run = await agent_runs.begin(workspace, {"run_id": run_id})
    refused = await run.refusal("start_workflow", **CALL)
    assert (refused.code, refused.details["limit"]) == ("run_limit", "children")
