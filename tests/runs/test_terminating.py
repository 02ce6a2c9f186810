"""One call stops a run and all runs below it, three levels deep."""

from typing import Any

from tests.support.agent_runs import FIXER, begin, set_templates, spawn, stored_runs
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

R = {"repository": "acme/rocket"}


async def three_levels(workspace: Workspace) -> tuple[Agent, list[dict[str, Any]], list[Agent]]:
    """A run that a tech-lead started, two below it, and one below each of these."""
    await set_templates(workspace, f"runs:\n  parallel: 9\n{FIXER}")
    lead = await workspace.agent("lead", "tech-lead")
    top = await spawn(lead, **R, prompt="Lead")
    agents = [await begin(workspace, top)]
    found = [top]
    for n in range(2):
        found.append(await spawn(agents[0], **R, prompt=f"Part {n}"))
        agents.append(await begin(workspace, found[-1]))
    for n in (1, 2):
        found.append(await spawn(agents[n], **R, prompt=f"Piece {n}"))
        agents.append(await begin(workspace, found[-1]))
    return lead, found, agents


async def test_three_levels_of_agents_are_stopped_by_one_call(workspace: Workspace) -> None:
    lead, found, agents = await three_levels(workspace)
    waiting = await spawn(agents[3], **R, prompt="A fourth level")
    other = await spawn(lead, **R, prompt="Another tree")
    status = await lead.call("get_agent_status", run_id=found[0]["run_id"])
    assert (status["total"]["runs"], status["total"]["states"]) == (
        5,
        {"running": 4, "dispatched": 1},
    )
    assert [each["run_id"] for each in status["children"]] == [
        each["run_id"] for each in found[1:3]
    ]
    stopped = await lead.call("terminate_agent", run_id=found[0]["run_id"], note="Wrong plan")
    assert stopped["stopping"] == [each["run_id"] for each in found]
    assert stopped["cancelled"] == [waiting["run_id"]]
    states = dict(await stored_runs(workspace, "id", "state"))
    assert states == dict.fromkeys(stopped["stopping"], "stopping") | {
        waiting["run_id"]: "cancelled",
        other["run_id"]: "dispatched",
    }
    for each in agents:
        told = (await each.call("get_budget"))["notices"]
        (notice,) = [one for one in told if one["kind"] == "run_stopping"]
        assert notice["message"].startswith(
            "lead asked your run to stop: stopped by lead: Wrong plan."
        )
    again = await lead.call("terminate_agent", run_id=found[0]["run_id"])
    assert (again["stopping"], again["cancelled"]) == ([], [])


async def test_a_run_that_stops_starts_no_other(workspace: Workspace) -> None:
    lead, found, agents = await three_levels(workspace)
    await lead.call("terminate_agent", run_id=found[1]["run_id"])
    refused = await agents[1].refusal("spawn_agent", template="fixer", **R, prompt="More")
    assert (refused.code, refused.details["limit"]) == ("run_limit", "state")
    assert (
        refused.message == f"Your run {found[1]['run_id']} is stopping, so it starts no other runs."
    )
    states = dict(await stored_runs(workspace, "id", "state"))
    assert [states[each["run_id"]] for each in found] == [
        "running",
        "stopping",
        "running",
        "stopping",
        "running",
    ]


@ON_SQLITE
async def test_an_agent_stops_what_is_below_it_and_nothing_above(workspace: Workspace) -> None:
    _, found, agents = await three_levels(workspace)
    for place in (0, 2, 4):
        refused = await agents[1].refusal("terminate_agent", run_id=found[place]["run_id"])
        assert (refused.code, refused.details["needs"]) == ("forbidden", "tech-lead")
    stopped = await agents[0].call("terminate_agent", agent_id=found[4]["agent_id"])
    assert stopped["stopping"] == [found[4]["run_id"]]
    stopped = await agents[1].call("terminate_agent")
    assert stopped["stopping"] == [found[1]["run_id"], found[3]["run_id"]]


@ON_SQLITE
async def test_no_level_gets_more_than_the_limits_of_the_first(workspace: Workspace) -> None:
    limits = "    limits: {minutes: 30, children: 2, depth: 1, tokens: 1000, cost: 1}\n"
    await set_templates(workspace, FIXER + limits)
    lead = await workspace.agent("lead", "tech-lead")
    top = await spawn(lead, **R, prompt="Lead", tokens=5000, minutes=20)
    assert top["limits"] == {
        "minutes": 20,
        "children": 2,
        "levels": 1,
        "tokens": 1000,
        "cost": "1.00",
    }
    agent = await begin(workspace, top)
    await agent.call("report_usage", model="m-1", input_tokens=600, cost="0.25")
    workspace.clock.forward(5 * 60)
    child = await spawn(agent, **R, prompt="Part", minutes=60)
    assert child["limits"] == {
        "minutes": 14,
        "children": 1,
        "levels": 0,
        "tokens": 400,
        "cost": "0.75",
    }
    below = await begin(workspace, child)
    refused = await below.refusal("spawn_agent", template="fixer", **R, prompt="Deeper")
    assert refused.details == {"limit": "depth"}
    await spawn(agent, **R, prompt="Second")
    refused = await agent.refusal("spawn_agent", template="fixer", **R, prompt="Third")
    assert refused.details == {"limit": "children"}
    await below.call("report_usage", model="m-1", output_tokens=400)
    status = await lead.call("get_agent_status", run_id=top["run_id"])
    assert (status["total"]["tokens"], status["total"]["cost"]) == (1000, "0.25")
    assert status["left"]["tokens"] == 0
    assert len(await stored_runs(workspace, "id")) == 3


@ON_SQLITE
async def test_who_waits_for_a_result_gets_it_when_it_is_final(workspace: Workspace) -> None:
    await set_templates(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    run = await spawn(lead, **R, prompt="Go")
    agent = await begin(workspace, run)
    assert (await lead.call("get_agent_result", run_id=run["run_id"]))["is_final"] is False
    await agent.call("update_agent", result="Done.", outcome="failure")
    await agent.call("update_agent", result="Not so.")
    found = await lead.call("get_agent_result", agent_id=run["agent_id"], wait_s=1)
    assert (found["result"], found["outcome"]) == ("Done.", "failure")
    refused = await lead.refusal("update_agent", result="Done.")
    assert refused.message.startswith("lead is not an agent run, so it has no `result`")
