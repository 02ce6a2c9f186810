"""A budget of an agent counts what all below it spend, and stops their claims and spawns."""

import asyncio
from typing import Any

from tests.agents.test_team_pauses import below, line
from tests.support.agent_runs import FIXER, begin, set_templates, spawn, stored_runs
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

WORK = {"repository": "acme/rocket", "prompt": "Go on"}


async def spend(agent: Agent, tokens: int = 0, **given: Any) -> None:
    await agent.call("report_usage", model="m", input_tokens=tokens, **given)


async def budget(workspace: Workspace, agent_id: str) -> Any:
    reader = await workspace.agent("reader", "observer")
    return (await reader.call("get_agent", agent_id=agent_id)).get("budget")


async def test_all_below_spend_from_one_budget_and_stop_when_it_is_used_up(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    top, mid, low = await line(workspace, "top", "mid", "low")
    held, free = [workspace.name(await workspace.task()) for _ in range(2)]
    await low.call("claim_task", task=held)
    await lead.call("update_agent", agent_id="top", tokens=1000, cost="2.50")
    await spend(top, 300)
    await spend(mid, 300, cost="1")
    await spend(low, 399, task=held)
    assert await budget(workspace, "top") == {
        "agent": "top",
        "tokens": 1000,
        "cost": "2.50",
        "spent_tokens": 999,
        "spent_cost": "1.00",
        "used_up": False,
    }
    assert (await low.call("get_budget"))["team"] == [await budget(workspace, "top")]
    await spend(low, 1, task=held)
    for who in (top, mid, low):
        refused = await who.refusal("claim_task", task=free)
        assert (refused.code, refused.details["agent_id"]) == ("spend_cap", "top")
        assert "of 1000 tokens for all agents below too is used up." in refused.message
    assert "lead or a tech-lead can raise it" in refused.message
    said = {each["kind"]: each["message"] for each in refused.notices}
    assert said["spend"].startswith(
        "The budget of top for itself and all agents below, 1000 tokens, is used up."
    )
    why = await low.call("explain_task", task=free)
    assert (why["claimable"], why["reasons"][-1]["code"]) == (False, "spend_cap")
    # The holder goes on, and others are not concerned.
    await low.call("update_task_status", task=held, fence=1, status="in_progress", progress=90)
    assert (await low.call("claim_task", task=held))["fence"] == 1
    await lead.call("update_agent", agent_id="top", tokens=2000)
    assert (await mid.call("claim_task", task=free))["fence"] == 1


async def test_no_agent_gets_free_of_a_budget_that_is_used_up(workspace: Workspace) -> None:
    lead, other = await workspace.agent("lead", "tech-lead"), await workspace.agent("other")
    top, mid, low = await line(workspace, "top", "mid", "low")
    free = workspace.name(await workspace.task())
    await top.call("update_agent", agent_id="mid", tokens=10)
    await spend(low, 10)
    for who, whom in ((mid, "mid"), (low, "mid"), (low, "low"), (other, "mid")):
        refused = await who.refusal("update_agent", agent_id=whom, tokens=99)
        assert refused.code == "forbidden", (who, whom)
    late = await below(workspace, "low", "late")
    assert (await late.refusal("claim_task", task=free)).code == "spend_cap"
    # A child whose parent has left may choose another one. Its budget stays used up.
    await lead.call("manage_agent", agent_id="mid", action="unregister", with_children=False)
    await low.call("update_agent", parent_id="top")
    assert (await low.refusal("claim_task", task=free)).code == "spend_cap"
    await lead.call("update_agent", agent_id="low", parent_id="other")
    assert (await late.call("claim_task", task=free))["fence"] == 1


@ON_SQLITE
async def test_the_lowest_budget_that_is_used_up_counts_and_each_may_be_removed(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    _, mid, low = await line(workspace, "top", "mid", "low")
    free = workspace.name(await workspace.task())
    await lead.call("update_agent", agent_id="top", tokens=30)
    await lead.call("update_agent", agent_id="mid", cost="1")
    await spend(low, 30, cost="1")
    assert (await low.refusal("claim_task", task=free)).details["agent_id"] == "mid"
    await lead.call("update_agent", agent_id="mid", cost="0")
    assert await budget(workspace, "mid") is None
    assert (await low.refusal("claim_task", task=free)).details["agent_id"] == "top"
    await lead.call("update_agent", agent_id="top", tokens=0)
    assert (await mid.call("claim_task", task=free))["fence"] == 1


async def test_reports_at_once_are_all_counted_and_one_of_them_reaches_the_budget(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    team = await line(workspace, "top", "mid", "low")
    await lead.call("update_agent", agent_id="top", tokens=30)
    await asyncio.gather(*(spend(each, 5) for each in team * 2))
    assert (await budget(workspace, "top"))["spent_tokens"] == 30
    rows = await workspace.rows(
        "SELECT subject FROM events WHERE installation_id = :i AND kind = 'agent.budget'"
    )
    assert rows == [{"subject": "top"}]


async def test_a_budget_that_is_used_up_starts_no_run_and_limits_the_others(
    workspace: Workspace,
) -> None:
    await set_templates(workspace)
    boss, lead = [await workspace.agent(each, "tech-lead") for each in ("boss", "lead")]
    await boss.call("update_agent", agent_id="lead", tokens=1000)
    await spend(lead, 400)
    run = await spawn(lead, **WORK, tokens=5000)
    assert run["limits"]["tokens"] == 600
    worker = await begin(workspace, run)
    await spend(worker, 600)
    assert (await budget(workspace, "lead"))["used_up"] is True
    refused = await lead.refusal("spawn_agent", template="fixer", **WORK)
    assert (refused.code, refused.details["agent_id"]) == ("spend_cap", "lead")
    assert (await worker.refusal("claim_task")).code in ("spend_cap", "nothing_ready")


async def test_agents_that_register_below_a_run_count_for_its_limits(workspace: Workspace) -> None:
    await set_templates(workspace, f"{FIXER}    limits: {{tokens: 100}}\n")
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **WORK)
    await begin(workspace, run)
    child = await below(workspace, run["agent_id"], "child")
    free = workspace.name(await workspace.task())
    await spend(child, 100)
    assert (await child.refusal("claim_task", task=free)).details["agent_id"] == run["agent_id"]
    assert await stored_runs(workspace, "state") == [("running",)]
    await spend(child, 1)
    ((state, why),) = await stored_runs(workspace, "state", "why")
    assert state == "stopping"
    assert why == f"{run['run_id']} and the agents below it used more than 100 tokens"
