"""`/plan` and `/spend`: what is planned under a task, and what it has cost."""

from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace
from tests.support.tool_desk import ToolDesk, spec


async def answer(workspace: Workspace, issue: Issue, command: str) -> str:
    workspace.person.comment(issue, command)
    await workspace.settle()
    bodies = [each.body.partition("\n")[2] for each in issue.comments]
    return [each for each in bodies if "**Hubbub** ·" not in each][-1]


async def plan(workspace: Workspace) -> list[Issue]:
    """A task with two sub-issues, of which one has two of its own."""
    names = ("Rocket", "Engine", "Fuel", "Pump", "Tank")
    made = [await workspace.task(each) for each in names]
    rocket, engine, fuel, pump, tank = made
    workspace.person.add_sub_issue(rocket, fuel)
    workspace.person.add_sub_issue(rocket, engine)
    workspace.person.add_sub_issue(engine, pump)
    workspace.person.add_sub_issue(engine, tank)
    # The tank comes before the pump, and the engine before the fuel.
    workspace.person.block(pump, tank)
    workspace.person.block(fuel, engine)
    await workspace.settle()
    return made


async def test_plan_lists_sub_issues_at_all_levels_in_the_order_of_their_blockers(
    workspace: Workspace,
) -> None:
    rocket, engine, fuel, pump, tank = await plan(workspace)
    agent = await workspace.agent("scout")
    await agent.call("claim_task", task=workspace.name(tank))
    assert await answer(workspace, rocket, "/plan") == (
        "**0 of 4 done.** Nothing is ready now.\n\n"
        f"- #{engine.number} `Engine`: waiting for other issues, waits for #{pump.number}, "
        f"#{tank.number}\n"
        f"  - #{tank.number} `Tank`: in progress, `scout`\n"
        f"  - #{pump.number} `Pump`: waiting for other issues, waits for #{tank.number}\n"
        f"- #{fuel.number} `Fuel`: waiting for other issues, waits for #{engine.number}"
    )
    workspace.person.close(tank)
    await workspace.settle()
    text = await answer(workspace, rocket, "/plan")
    assert text.startswith(f"**1 of 4 done.** Ready to be claimed: #{pump.number}.")
    assert f"  - #{pump.number} `Pump`: waiting for an agent, can be claimed now" in text


async def test_an_agent_reads_the_plan_as_data(workspace: Workspace) -> None:
    rocket, engine, *_, tank = await plan(workspace)
    plain = workspace.person.open_issue(workspace.repository, "No task")
    workspace.person.add_sub_issue(rocket, plain)
    workspace.person.comment(tank, "/hold")
    await workspace.settle()
    agent = await workspace.agent("scout")
    found = await agent.call("get_plan", task=workspace.name(rocket))
    assert (found["done"], found["total"], found["more"]) == (0, 5, False)
    steps = {each["issue"]: each for each in found["steps"]}
    assert steps[workspace.name(engine)]["level"] == 1
    assert steps[workspace.name(tank)]["held"]
    assert not any(each["ready"] for each in found["steps"])
    assert steps[workspace.name(plain)]["state"] == "open"


@ON_SQLITE
async def test_a_task_without_sub_issues_has_no_plan(workspace: Workspace) -> None:
    issue = await workspace.task()
    assert (await answer(workspace, issue, "/plan")).startswith("This task has no sub-issues.")


@ON_SQLITE
async def test_a_plan_of_many_sub_issues_is_cut(workspace: Workspace) -> None:
    root = await workspace.task("Root")
    for n in range(12):
        middle = workspace.person.open_issue(workspace.repository, f"Middle {n}")
        workspace.person.add_sub_issue(root, middle)
        for m in range(9):
            leaf = workspace.person.open_issue(workspace.repository, f"Leaf {n} {m}")
            workspace.person.add_sub_issue(middle, leaf)
    await workspace.settle()
    agent = await workspace.agent("scout")
    found = await agent.call("get_plan", task=workspace.name(root))
    assert (len(found["steps"]), found["more"]) == (100, True)


async def test_spend_shows_calls_writes_and_reported_money_of_each_agent(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    task = workspace.name(issue)
    first, second = await workspace.agent("scout"), await workspace.agent("dot")
    claimed = await first.call("claim_task", task=task)
    await first.write("github_comment_issue", issue=task, body="Begun.", fence=claimed["fence"])
    await first.call("report_usage", model="m-1", cost="1.25", input_tokens=1000)
    await first.call("report_usage", model="m-2", cost="0.25", output_tokens=500)
    await first.call("release_task", task=task, fence=claimed["fence"])
    await second.call("claim_task", task=task)
    await workspace.settle()
    text = await answer(workspace, issue, "/spend")
    # Claim, comment and release of the first. Reports count as money.
    assert "| `scout` | 3 | 1 | 1.50 USD, 1,500 tokens |" in text
    assert "| `dot` | 1 | 0 |  |" in text
    assert "Reported in all: 1.50 USD, 1,500 tokens." in text
    found = await first.call("get_spend", task=task)
    assert [each["agent"] for each in found["agents"]] == ["scout", "dot"]
    assert found["tools"] == []
    assert found["own_writes"] > 0


@ON_SQLITE
async def test_spend_has_the_calls_of_tools_with_a_price_by_who_held_the_task(
    workspace: Workspace,
) -> None:
    desk = ToolDesk(workspace.dispatcher, workspace.clock, workspace.installation.id)
    await desk.mount("linear", spec("create_issue"), spec("list_issues"))
    tool = "linear__create_issue"
    await desk.set(tool, price="0.40")
    scout, task = await workspace.agent("scout"), workspace.name(await workspace.task())
    given = {"tool": tool, "arguments": {"title": "Leak"}}
    # Before the claim it is a call for nothing in particular.
    await scout.call("call_tool", **given)
    await scout.call("claim_task", task=task)
    for _ in range(2):
        await scout.call("call_tool", **given)
    free = {**given, "tool": "linear__list_issues"}
    await scout.call("call_tool", **free)
    found = await scout.call("get_spend", task=task)
    assert found["tools"] == [{"caller": "scout", "calls": 2, "cost": "0.80"}]


@ON_SQLITE
async def test_spend_of_a_task_that_nobody_claimed_says_so(workspace: Workspace) -> None:
    issue = await workspace.task()
    assert (await answer(workspace, issue, "/spend")).startswith(
        "No agent has worked on this task."
    )
