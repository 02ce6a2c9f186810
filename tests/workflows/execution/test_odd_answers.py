"""Answers of tools that are rare, as outputs of steps and as arguments of the next ones."""

from typing import Any

import pytest

from bot.tool_servers.connections import ToolResult, Unavailable
from tests.support.engines import ON_SQLITE
from tests.support.tool_desk import spec, text
from tests.workflows.execution.test_tool_steps import Scene, scene

__all__ = ["scene"]

ANY = {"type": "object"}
PASSED_ON = """
steps:
  - {id: ask, title: Ask, tool: odd__ask}
  - id: tell
    title: Tell
    needs: [ask]
    tool: odd__tell
    arguments: {it: "${{ steps.ask.outputs.result }}", text: "It: ${{ steps.ask.outputs.result }}"}
"""


async def mount(scene: Scene, **hints: Any) -> None:
    listed = [spec(each, input_schema=ANY, **hints) for each in ("ask", "tell")]
    await scene.desk.mount("odd", *listed)


@pytest.mark.parametrize(
    ("answer", "passed_on"),
    [
        (ToolResult((), 0), 0),
        (ToolResult((), []), []),
        (ToolResult((), False), False),
        (ToolResult((), [9007199254740993, 2**70, 1e300]), [9007199254740993, 2**70, 1e300]),
        (ToolResult(text("9007199254740993").content), "9007199254740993"),
        (ToolResult(text('{"id": 9007199254740993}').content), {"id": 9007199254740993}),
        (ToolResult(()), ""),
        (ToolResult((), {"a": "x\ud800y", "b\udfff": 1}), {"a": "xy", "b": 1}),
        (ToolResult((), {"": 1, "a.b": 2, "${{ item }}": 3}), {"": 1, "a.b": 2, "${{ item }}": 3}),
    ],
)
async def test_whatever_a_tool_answers_reaches_the_next_step(
    scene: Scene, answer: ToolResult, passed_on: Any
) -> None:
    await mount(scene)
    scene.desk.servers.answers["ask"] = [answer]
    flow = await scene.start(PASSED_ON)
    await scene.turn()
    assert scene.sent[1]["it"] == passed_on
    assert (await flow.states())["tell"] == "completed"


@ON_SQLITE
async def test_a_server_that_says_when_to_come_again_is_called_then(scene: Scene) -> None:
    await mount(scene)
    busy = Unavailable("rate_limited", "too many requests", retry_after_s=90)
    scene.desk.servers.answers["ask"] = [busy, text("Sun")]
    flow = await scene.start(PASSED_ON)
    await scene.calls.drain()
    row, now = await flow.step("ask"), scene.workspace.clock()
    assert (row["state"], row["attempts"]) == ("open", 0)
    assert 80_000_000 < row["call_at"] - now <= 90_000_000
    assert str(await flow.why_held("ask")).startswith(
        "waits for `odd__ask`: odd__ask: the server odd gave no answer: too many requests; Hubbub"
    )
    await scene.later(flow, "ask")
    assert (await flow.states())["ask"] == "completed"
