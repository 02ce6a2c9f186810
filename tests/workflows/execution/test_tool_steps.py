"""Steps that a tool does: Hubbub calls it once, and the workflow goes on by what it answers."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from bot.background import expiry
from bot.background.step_calls import StepCalls
from bot.dispatch.execution import Call, begin
from bot.errors import Refused
from bot.operations.tools.calling import ToolCalled, call_tool
from bot.operations.workflows import tool_runs
from bot.operations.workflows.tool_outputs import outputs_of, values_of
from bot.tool_servers.connections import ToolResult
from bot.workflows.definitions.definition import Step
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowStepRow
from store.workflows import steps
from tests.comments.test_card_boxes import card_of, verbs
from tests.support.engines import ON_SQLITE
from tests.support.patience import SOON_S
from tests.support.story import Agent, Workspace
from tests.support.tool_desk import ToolDesk, away, spec, text
from tests.support.upstreams import remove_mounts_of
from tests.support.workflows import Played, define
from tests.support.workflows import begin as begin_workflow

TEXT = """
inputs:
  city: {default: Turin}
  days: {type: number, default: 3}
steps:
  - id: forecast
    title: Ask for the weather of ${{ inputs.city }}
    tool: weather__forecast
    arguments: {title: "${{ inputs.city }}", count: "${{ inputs.days }}"}
  - {id: plan, title: Plan the day, body: Plan it., needs: [forecast]}
"""
ARGUMENTS = {"title": "Turin", "count": 3}
RETRIED = TEXT.replace("  - {id: plan", "    retry: 1\n  - {id: plan")
SUNNY = {"sky": "clear", "rain": {"mm": 0}}


class Scene:
    """A repository with a weather server, whose calls the test makes happen."""

    def __init__(self, workspace: Workspace, desk: ToolDesk, lead: Agent) -> None:
        self.workspace = workspace
        self.desk = desk
        self.lead = lead
        self.calls = StepCalls(workspace.store, workspace.dispatcher.shared)

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [arguments for _, _, arguments in self.desk.servers.calls]

    async def start(self, text: str = TEXT, by: Agent | None = None, **inputs: Any) -> Played:
        return await begin_workflow(self.workspace, by or self.lead, text, **inputs)

    async def turn(self) -> None:
        """Make the calls that are due, and let GitHub follow."""
        await self.calls.drain()
        await self.workspace.settle()

    async def later(self, flow: Played, step: str = "forecast") -> None:
        """Let the time come at which the step's call is due, or counts as lost."""
        at = (await flow.step(step))["call_at"]
        self.workspace.clock.forward((at - self.workspace.clock()) / 1_000_000 + 1)
        await self.turn()

    async def shown(self, flow: Played, step: str = "forecast") -> dict[str, Any]:
        answer = await self.lead.call("get_workflow", workflow=flow.id)
        return next(each for each in answer["workflow"]["steps"] if each["step"] == step)

    async def die_during_call(self, flow: Played) -> None:
        """A process begins the call and is killed before it ends."""
        row = await flow.step("forecast")
        store, found = self.workspace.store, []

        async def take(tx: Tx) -> None:
            due = await steps.get(tx, row["installation_id"], flow.id, "forecast")
            assert due is not None
            found.append(await tool_runs.take(tx, due))

        await store.write(take)
        taken = found[-1]
        assert taken is not None
        given = call_tool.parse({"tool": taken.tool, "arguments": taken.step.arguments})
        call = Call(call_tool, taken.actor, given, taken.call_id, self.workspace.dispatcher.shared)
        await store.write(lambda tx: begin(tx, call))


@pytest.fixture
async def scene(workspace: Workspace) -> AsyncIterator[Scene]:
    desk = ToolDesk(workspace.dispatcher, workspace.clock, workspace.installation.id)
    await desk.mount("weather", spec("forecast"), spec("look", read_only=True))
    yield Scene(workspace, desk, await workspace.agent("lea", "tech-lead"))
    await remove_mounts_of(workspace.store, workspace.installation.id)


async def test_hubbub_calls_the_tool_and_its_answer_becomes_the_outputs(scene: Scene) -> None:
    scene.desk.servers.answers["forecast"] = [ToolResult((), SUNNY)]
    flow = await scene.start()
    before = await scene.shown(flow)
    assert (before["state"], before["tool"]) == ("in_progress", "weather__forecast")
    assert before["why"] == "waits for the answer of `weather__forecast`, which Hubbub calls"
    issue = await flow.issue("forecast")
    assert "Hubbub calls the tool `weather__forecast` for this step, with:" in str(issue.body)
    assert '"title": "Turin"' in str(issue.body)
    scene.desk.servers.waits = asyncio.Event()
    await scene.calls.step()
    await scene.desk.servers.began.wait()
    await scene.workspace.settle()
    assert "a tool does this step" in card_of(issue).body
    assert verbs(issue) == ["/hold", "/done", "/cancel"]
    scene.desk.servers.waits.set()
    await scene.turn()
    assert scene.sent == [ARGUMENTS]
    done = await scene.shown(flow)
    assert done["state"] == "completed"
    assert done["outputs"] == {
        "result": SUNNY,
        "source": "the tool server weather",
        "trusted": False,
    }
    assert issue.state == "closed"
    ada = await scene.workspace.agent("ada")
    claimed = await flow.claim(ada, "plan")
    assert claimed["step"]["needs"]["forecast"]["result"] == SUNNY
    (row,) = await scene.desk.rows("tool_calls")
    assert (row["caller"], row["outcome"]) == ("lea", "ok")


@ON_SQLITE
async def test_nobody_gets_the_step_but_people_may_end_it(scene: Scene) -> None:
    flow = await scene.start()
    ada = await scene.workspace.agent("ada")
    name = await flow.name("forecast")
    refused = await ada.refusal("claim_task", task=name)
    assert refused.code == "done_by_tool"
    assert "by the tool `weather__forecast`, and nobody works on it" in refused.message
    assert (await ada.refusal("claim_task")).code == "nothing_ready"
    for given in ({"hold": False}, {"state": "completed"}):
        assert (await scene.lead.refusal("change_task", task=name, **given)).code == "done_by_tool"
    assert (await scene.lead.refusal("assign_task", task=name, agent_id="ada")).code == (
        "done_by_tool"
    )
    scene.workspace.person.comment(await flow.issue("forecast"), "/done")
    await scene.workspace.settle()
    await scene.turn()
    assert (await flow.states())["forecast"] == "completed"
    assert scene.sent == []


async def test_a_failure_is_tried_again_after_a_pause(scene: Scene) -> None:
    scene.desk.servers.answers["forecast"] = [away(), away(), text("Rain")]
    flow = await scene.start(RETRIED)
    await scene.calls.drain()
    row, now = await flow.step("forecast"), scene.workspace.clock()
    assert (row["state"], row["attempts"]) == ("open", 1)
    assert 9_900_000 < row["call_at"] - now <= 10_000_000
    assert "waits for the answer of" in str(await flow.why_held("forecast"))
    assert len(scene.sent) == 2
    await scene.later(flow)
    assert (await scene.shown(flow))["outputs"]["result"] == "Rain"
    assert len(scene.sent) == 3


async def test_without_attempts_left_the_step_fails_and_can_be_retried(scene: Scene) -> None:
    failed = ToolResult(text("No such @city").content, is_error=True)
    scene.desk.servers.answers["forecast"] = [failed, text("Sun")]
    flow = await scene.start()
    await scene.turn()
    found = await scene.shown(flow)
    assert found["state"] == "failed"
    assert "weather__forecast says that it failed: No such" in found["why"]
    assert (await flow.workflow())["state"] == "failed"
    await scene.lead.call("retry_workflow", workflow=flow.id)
    await scene.workspace.settle()
    await scene.turn()
    assert (await scene.shown(flow))["outputs"]["result"] == "Sun"
    assert (await flow.workflow())["state"] == "running"


async def test_a_call_whose_process_died_is_not_sent_twice(scene: Scene) -> None:
    flow = await scene.start(RETRIED)
    await scene.die_during_call(flow)
    await scene.turn()
    assert (await flow.states())["forecast"] == "open"
    await scene.later(flow)
    found = await scene.shown(flow)
    assert scene.sent == []
    assert (found["state"], found.get("attempts", 0)) == ("failed", 0)
    assert "outcome_unknown: weather__forecast was called" in found["why"]
    scene.workspace.person.comment(await flow.issue("forecast"), "/retry")
    await scene.workspace.settle()
    await scene.turn()
    assert scene.sent == [ARGUMENTS]
    assert (await flow.states())["forecast"] == "completed"


async def test_a_tool_that_only_reads_is_called_again_after_a_crash(scene: Scene) -> None:
    flow = await scene.start(TEXT.replace("forecast\n    arg", "look\n    arg"))
    await scene.die_during_call(flow)
    await scene.later(flow)
    assert scene.sent == [ARGUMENTS]
    assert (await flow.states())["forecast"] == "completed"


async def test_an_answer_that_a_dead_process_got_is_not_asked_for_again(scene: Scene) -> None:
    flow = await scene.start()
    lost: list[Any] = []

    async def die(_: Any, answer: Any) -> None:
        lost.append(answer)

    scene.calls._end = die  # type: ignore[method-assign,assignment]
    await scene.turn()
    assert len(lost) == 1
    other = StepCalls(scene.workspace.store, scene.workspace.dispatcher.shared)
    scene.calls = other
    await scene.later(flow)
    assert scene.sent == [ARGUMENTS]
    assert (await flow.states())["forecast"] == "completed"


async def test_a_cancelled_workflow_takes_no_late_answer_and_calls_no_more(scene: Scene) -> None:
    servers = scene.desk.servers
    servers.waits = asyncio.Event()
    flow = await scene.start()
    await scene.calls.step()
    await servers.began.wait()
    await scene.lead.call("cancel_workflow", workflow=flow.id)
    servers.waits.set()
    await scene.turn()
    assert (await flow.states())["forecast"] == "cancelled"
    assert (await scene.shown(flow)).get("outputs", {}) == {}
    assert (await flow.step("forecast"))["call_at"] is None
    assert scene.sent == [ARGUMENTS]
    (row,) = await scene.desk.rows("tool_calls")
    assert row["outcome"] == "ok"


@ON_SQLITE
async def test_a_persons_hold_keeps_the_tool_from_being_called(scene: Scene) -> None:
    flow = await scene.start()
    issue = await flow.issue("forecast")
    scene.workspace.person.comment(issue, "/hold not today")
    await scene.workspace.settle()
    await scene.turn()
    assert scene.sent == []
    assert await flow.why_held("forecast") == "not today"
    scene.workspace.person.comment(issue, "/resume")
    await scene.workspace.settle()
    assert "waits for the answer" in str(await flow.why_held("forecast"))
    scene.workspace.person.comment(await flow.issue("parent"), "/hold all of it")
    await scene.workspace.settle()
    await scene.turn()
    assert scene.sent == []
    scene.workspace.person.comment(await flow.issue("parent"), "/resume")
    await scene.workspace.settle()
    await scene.later(flow)
    assert scene.sent == [ARGUMENTS]


async def test_each_calls_the_tool_once_for_each_entry(scene: Scene) -> None:
    flow = await scene.start(
        """
inputs: {cities: {type: list, default: [Turin, Pisa, Bari]}}
steps:
  - id: ask
    title: Ask for ${{ item }}
    each: cities
    tool: weather__forecast
    arguments: {title: "${{ item }}"}
    outputs: [sky]
"""
    )
    scene.desk.servers.answers["forecast"] = [ToolResult((), SUNNY)] * 3
    await scene.turn()
    assert sorted(each["title"] for each in scene.sent) == ["Bari", "Pisa", "Turin"]
    assert set((await flow.states()).values()) == {"completed"}
    assert (await scene.shown(flow, "ask-2"))["outputs"]["sky"] == "clear"
    assert (await flow.workflow())["state"] == "completed"


@ON_SQLITE
async def test_a_parked_tool_is_named_at_the_start_and_at_the_step(scene: Scene) -> None:
    await scene.desk.person().call("manage_tool", tool="weather__forecast", action="park")
    await define(scene.workspace, TEXT)
    where = scene.workspace.repository.full_name
    made = await scene.lead.call("start_workflow", name="feature", repository=where)
    assert made["hint"].startswith("weather__forecast is parked: people do not want it")
    await scene.workspace.settle()
    flow = Played(scene.workspace, made["id"], "")
    await scene.turn()
    found = await scene.shown(flow)
    assert found["state"] == "failed"
    assert "weather__forecast is parked" in found["why"]
    assert scene.sent == []


@ON_SQLITE
async def test_the_check_of_a_file_names_tools_that_are_not_there(scene: Scene) -> None:
    text = TEXT.replace("weather__forecast", "wether__forecast")
    found = await scene.lead.call("check_workflow", text=text)
    assert found["valid"]
    assert found["steps"][0]["tool"] == "wether__forecast"
    (why,) = found["tool_problems"]
    assert why.startswith("steps.forecast.tool: There is no tool 'wether__forecast': you can reach")
    assert (await scene.lead.call("check_workflow", text=TEXT))["tool_problems"] == []


@ON_SQLITE
async def test_a_start_is_refused_for_a_tool_that_cannot_be_called_so(scene: Scene) -> None:
    ada = await scene.workspace.agent("ada")
    where = {"name": "feature", "repository": scene.workspace.repository.full_name}
    await define(scene.workspace, TEXT.replace("weather__forecast", "weather__forecats"))
    refused = await ada.refusal("start_workflow", **where)
    assert refused.code == "unknown_tool"
    assert refused.message.startswith("step `forecast`: weather has no tool")
    await define(scene.workspace, TEXT.replace("count:", "cuont:"))
    refused = await ada.refusal("start_workflow", **where)
    assert refused.code == "invalid_arguments"
    assert "`cuont` is not an argument of the tool (did you mean count?)" in refused.message
    await scene.desk.set("weather__forecast", role="tech-lead")
    await define(scene.workspace, TEXT)
    refused = await ada.refusal("start_workflow", **where)
    assert (refused.code, refused.details["needs"]) == ("forbidden", "tech-lead")
    assert await scene.desk.rows("workflows") == []


@ON_SQLITE
async def test_the_tool_is_called_with_no_higher_role_than_the_starter_has_now(
    scene: Scene,
) -> None:
    flow = await scene.start()
    await scene.lead.call("update_agent", capabilities=["python"])

    async def demote(tx: Tx) -> None:
        q = "UPDATE agents SET role = 'tester' WHERE installation_id = :i AND id = 'lea'"
        await tx.run(q, i=scene.workspace.installation.id)

    await scene.workspace.store.write(demote)
    await scene.turn()
    found = await scene.shown(flow)
    assert found["state"] == "failed"
    assert "weather__forecast needs the role developer; lea has tester" in found["why"]
    assert scene.sent == []


@ON_SQLITE
async def test_a_limit_and_a_pause_put_the_call_off(scene: Scene) -> None:
    await scene.desk.set("weather__forecast", calls_a_minute=0)
    flow = await scene.start()
    await scene.turn()
    assert (await flow.states())["forecast"] == "open"
    held = str(await flow.why_held("forecast"))
    assert held.startswith("waits for `weather__forecast`: All agents together may use")
    assert "; Hubbub tries again at " in held
    await scene.desk.set("weather__forecast", calls_a_minute=None)
    person = scene.desk.person()
    await person.call("manage_agent", agent_id="lea", action="pause")
    await scene.later(flow)
    assert "lea, who started the workflow, is paused" in str(await flow.why_held("forecast"))
    await person.call("manage_agent", agent_id="lea", action="resume")
    await scene.later(flow)
    assert scene.sent == [ARGUMENTS]


@ON_SQLITE
async def test_a_time_out_during_a_call_is_not_followed_by_another_call(scene: Scene) -> None:
    servers = scene.desk.servers
    servers.waits = asyncio.Event()
    flow = await scene.start(RETRIED.replace("    retry: 1", "    retry: 1\n    timeout: 1m"))
    await scene.calls.step()
    await servers.began.wait()
    scene.workspace.clock.forward(61)
    await expiry.step(scene.workspace.store)
    assert (await flow.states())["forecast"] == "failed"
    servers.waits.set()
    await scene.turn()
    assert (await flow.states())["forecast"] == "failed"
    assert scene.sent == [ARGUMENTS]


@ON_SQLITE
async def test_a_compensation_can_be_a_tool(scene: Scene) -> None:
    flow = await scene.start(
        """
steps:
  - {id: make, title: Make it, body: Work., on_failure: {compensate: tell}}
  - {id: tell, title: Tell them, tool: weather__look, arguments: {title: It failed}}
"""
    )
    ada = await scene.workspace.agent("ada")
    await flow.do(ada, "make", "failed")
    await scene.turn()
    assert scene.sent == [{"title": "It failed"}]
    assert await flow.states() == {"make": "failed", "tell": "completed"}


CHAINED = """
inputs:
  city: {default: "${{ steps.ask.outputs.sky }}"}
steps:
  - {id: ask, title: Ask, tool: weather__forecast, arguments: {title: Turin}, outputs: [sky, rain]}
  - {id: plan, title: Plan, tool: weather__look, arguments: {title: Plan}, needs: [ask]}
  - id: tell
    title: Tell
    needs: [plan]
    tool: weather__look
    arguments:
      title: "In ${{ inputs.city }}: ${{ steps.ask.outputs.sky }}, ${{ steps.ask.outputs.rain }}"
      count: "${{ steps.ask.outputs.rain.mm }}"
"""


async def test_arguments_have_the_outputs_of_earlier_steps(scene: Scene) -> None:
    sky = "${{ inputs.city }}"
    scene.desk.servers.answers["forecast"] = [ToolResult((), {**SUNNY, "sky": sky})]
    flow = await scene.start(CHAINED)
    shown = str((await flow.issue("tell")).body)
    assert '"count": "${{ steps.ask.outputs.rain.mm }}"' in shown
    await scene.turn()
    words = 'In ${{ steps.ask.outputs.sky }}: ${{ inputs.city }}, {"mm": 0}'
    assert scene.sent[-1] == {"title": words, "count": 0}
    assert (await flow.states())["tell"] == "completed"


async def test_the_price_of_a_call_is_that_of_the_steps_task(scene: Scene) -> None:
    await scene.desk.set("weather__forecast", price="0.25")
    held = await scene.workspace.task("Other work")
    await scene.lead.call("claim_task", task=f"acme/rocket#{held.number}")
    flow = await scene.start()
    await scene.turn()
    spent = await scene.lead.call("get_spend", task=await flow.name("forecast"))
    assert spent["tools"] == [{"caller": "lea", "calls": 1, "cost": "0.25"}]
    other = await scene.lead.call("get_spend", task=f"acme/rocket#{held.number}")
    assert other["tools"] == []


@ON_SQLITE
async def test_an_output_without_a_value_fails_the_step_without_a_call(scene: Scene) -> None:
    scene.desk.servers.answers["forecast"] = [ToolResult((), {**SUNNY, "rain": {"cm": 1}})]
    flow = await scene.start(CHAINED)
    await scene.turn()
    found = await scene.shown(flow, "tell")
    assert found["state"] == "failed"
    assert (
        "steps.ask.outputs.rain.mm has no value, because ask gave no such part, and the tool was "
        "not called" in found["why"]
    )
    assert len(scene.sent) == 2


SKIPPED = """
steps:
  - {id: check, title: Check, body: Work., on_failure: continue}
  - id: repair
    title: Repair
    needs: [check]
    if: failure
    tool: weather__look
    arguments: {title: Repair}
    outputs: [number]
  - id: tell
    title: Tell
    needs: [repair]
    tool: weather__forecast
    arguments: {title: "Number ${{ steps.repair.outputs.number || 'none' }}", count: COUNT}
"""


HINT = (
    "steps.tell.arguments: steps.repair.outputs.number may have no value, because repair is "
    "skipped unless its `if` holds; write what stands in for it: "
    "${{ steps.repair.outputs.number || null }}"
)


@ON_SQLITE
@pytest.mark.parametrize(
    ("count", "sent"),
    [
        ("${{ steps.repair.outputs.number || -1 }}", {"title": "Number none", "count": -1}),
        ("${{ steps.repair.outputs.number }}", None),
    ],
)
async def test_what_a_skipped_step_would_give_has_a_default_or_fails_the_step(
    scene: Scene, count: str, sent: dict[str, Any] | None
) -> None:
    given = SKIPPED.replace("COUNT", f'"{count}"')
    checked = await scene.lead.call("check_workflow", text=given)
    assert checked["hints"] == ([] if sent else [HINT])
    flow = await scene.start(given)
    assert count in str((await flow.issue("tell")).body)
    await flow.do(await scene.workspace.agent("ada"), "check")
    await scene.turn()
    assert (await flow.states())["repair"] == "skipped"
    assert scene.sent == ([sent] if sent else [])
    if sent is None:
        why = str((await scene.shown(flow, "tell"))["why"])
        assert "steps.repair.outputs.number has no value, because repair was skipped, and" in why
        assert "write what stands in for it: ${{ steps.repair.outputs.number || null }}" in why


REPEATED = """
steps:
  - {id: ask, title: Ask, tool: weather__forecast, arguments: {title: T}, on_failure: continue}
  - id: tell
    title: Tell
    needs: [ask]
    tool: weather__look
    arguments: {title: "${{ steps.ask.outputs.result || 'nothing' }}"}
"""


async def test_a_step_that_is_done_again_gives_nothing_of_its_last_time(scene: Scene) -> None:
    no = ToolResult(text("No").content, is_error=True)
    scene.desk.servers.answers["forecast"] = [text("Sun"), no, text("Rain")]
    flow = await scene.start(REPEATED)
    await scene.turn()
    assert scene.sent[-1] == {"title": "Sun"}
    for wanted in ("nothing", "Rain"):
        await scene.lead.call("retry_workflow", workflow=flow.id, step="ask")
        assert "outputs" not in await scene.shown(flow, "ask")
        await scene.workspace.settle()
        await scene.turn()
        assert scene.sent[-1] == {"title": wanted}
    assert len(scene.sent) == 6


@ON_SQLITE
@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("steps.aks.outputs.sky", "names no step; the steps are ask, plan, tell"),
        ("steps.tell.outputs.result", "is of a step that this one does not need"),
        ("steps.ask.outputs.wind", "names no output of ask; its outputs are sky, rain"),
    ],
)
async def test_the_check_refuses_outputs_that_the_step_cannot_have(
    scene: Scene, written: str, why: str
) -> None:
    text = CHAINED.replace("steps.ask.outputs.rain.mm", written)
    found = await scene.lead.call("check_workflow", text=text)
    (problem,) = found["problems"]
    assert problem.startswith("line 13: steps.tell.arguments.count: ")
    assert why in problem


# --- Outputs -------------------------------------------------------------------------------------


def answered(structured: Any = None, words: str = "", **more: Any) -> Any:
    return ToolCalled(
        tool="weather__forecast",
        source="the tool server weather",
        trusted=False,
        text=words,
        structured=structured,
        **more,
    )


def step_with(*outputs: str) -> Step:
    given = {"id": "a", "title": "A", "tool": "weather__forecast", "outputs": list(outputs)}
    return Step.model_validate(given)


MARKS = {"source": "the tool server weather", "trusted": False}


def test_outputs_are_fields_of_the_result_or_all_of_it() -> None:
    def given(answer: Any, *names: str) -> dict[str, Any]:
        return outputs_of(values_of(step_with(*names), answer), answer)

    assert given(answered(SUNNY), "sky", "rain") == {**SUNNY, **MARKS}
    assert given(answered(SUNNY), "sky") == {"sky": "clear", **MARKS}
    assert given(answered(SUNNY), "all") == {"all": SUNNY, **MARKS}
    assert given(answered(words='{"sky": "grey"}'), "sky") == {"sky": "grey", **MARKS}
    assert given(answered(words="Rain")) == {"result": "Rain", **MARKS}
    with pytest.raises(Refused, match="has no wind, which the step gives"):
        given(answered(SUNNY), "sky", "wind")


def test_a_long_result_is_cut_and_says_so() -> None:
    long = answered({"text": "x" * 30_000})
    found = outputs_of(values_of(step_with(), long), long)
    assert len(found["result"]) == 10_000
    assert found["left_out"] == ["result was cut: it has 30012 characters"]


async def test_all_of_a_long_answer_is_a_file_of_the_steps_task(scene: Scene) -> None:
    scene.desk.servers.answers["forecast"] = [ToolResult((), {"days": ["x" * 100] * 300})]
    flow = await scene.start(TEXT.replace("weather__forecast", "weather__look"))
    scene.desk.servers.answers["look"] = scene.desk.servers.answers.pop("forecast")
    await scene.turn()
    (file, cut) = (await scene.shown(flow))["outputs"]["left_out"]
    assert cut == "result was cut: it has 31210 characters"
    sha256 = file.removeprefix("all of it is hubbub://blob/").partition(";")[0]
    assert file == f"all of it is hubbub://blob/{sha256}; get_attachment reads it"
    ada = await scene.workspace.agent("ada")
    read = await ada.call("get_attachment", attachment_id=sha256, inline=True)
    assert (read["file"]["name"], read["file"]["owner"]) == ("weather__look.json", "lea")
    assert json.loads(base64.b64decode(read["inline"]["data"])) == {"days": ["x" * 100] * 300}


@ON_SQLITE
async def test_the_many_steps_of_one_account_hide_those_of_no_other(scene: Scene) -> None:
    flow = await scene.start()
    row = await flow.step("forecast")
    of_others = [
        {**row, "installation_id": 1, "step": f"s{n}", "task_id": f"task_{n}", "call_at": n}
        for n in range(100)
    ]
    await scene.workspace.store.write(
        lambda tx: steps.add(tx, cast("list[WorkflowStepRow]", of_others))
    )
    scene.desk.servers.waits = asyncio.Event()
    await scene.calls.step()
    async with asyncio.timeout(SOON_S):
        await scene.desk.servers.began.wait()
    scene.desk.servers.waits.set()
    await scene.calls.finish(20)
    assert scene.sent == [ARGUMENTS]


async def test_a_step_that_is_taken_out_stays_on_hold_and_goes_on_when_it_is_put_back(
    scene: Scene,
) -> None:
    flow, person = await scene.start(), scene.workspace.person
    issue, parent = await flow.issue("forecast"), await flow.issue("parent")
    person.remove_sub_issue(issue)
    await scene.workspace.settle()
    await scene.turn()
    assert (await flow.states())["forecast"] == "removed"
    ada = await scene.workspace.agent("ada")
    refused = await ada.refusal("claim_task", task=await flow.name("forecast"))
    assert refused.code == "on_hold"
    assert "no longer has it, and only `weather__forecast` was to do it" in refused.message
    assert scene.sent == []
    person.add_sub_issue(parent, issue)
    await scene.workspace.settle()
    await scene.turn()
    assert scene.sent == [ARGUMENTS]
    assert (await flow.states())["forecast"] == "completed"


@ON_SQLITE
async def test_a_person_may_give_a_step_that_was_taken_out_to_somebody(scene: Scene) -> None:
    flow, person = await scene.start(), scene.workspace.person
    issue, parent = await flow.issue("forecast"), await flow.issue("parent")
    person.remove_sub_issue(issue)
    await scene.workspace.settle()
    person.comment(issue, "/resume")
    await scene.workspace.settle()
    await scene.turn()
    assert scene.sent == []
    ada = await scene.workspace.agent("ada")
    claimed = await flow.claim(ada, "forecast")
    person.add_sub_issue(parent, issue)
    await scene.workspace.settle()
    await scene.turn()
    assert await flow.why_held("forecast") is None
    mine = {"task": claimed["task"]["task"], "fence": claimed["fence"]}
    await ada.call("update_task_status", **mine, status="completed", result="Sun")
    await scene.workspace.settle()
    await scene.turn()
    assert (await flow.states())["forecast"] == "completed"
    assert scene.sent == []


@ON_SQLITE
async def test_a_step_that_was_resumed_and_put_back_is_called_if_nobody_took_it(
    scene: Scene,
) -> None:
    flow, person = await scene.start(), scene.workspace.person
    issue, parent = await flow.issue("forecast"), await flow.issue("parent")
    person.remove_sub_issue(issue)
    await scene.workspace.settle()
    person.comment(issue, "/resume")
    await scene.workspace.settle()
    person.add_sub_issue(parent, issue)
    await scene.workspace.settle()
    await scene.turn()
    assert scene.sent == [ARGUMENTS]
    assert (await flow.states())["forecast"] == "completed"
