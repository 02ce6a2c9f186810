"""Endpoints that are almost OpenAI's: what other programs stumbled over, and users reported."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.protocols.openai.replayed import replayable
from tests.protocols.test_models import ends, given_task, last, run, state
from tests.support.engines import ON_SQLITE
from tests.support.model_endpoint import Model, calls, fault, open_model, raw, says, whole
from tests.support.story import Workspace


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    async with open_model() as opened:
        yield opened


def roles(messages: list[dict[str, Any]]) -> list[str]:
    return [each["role"] for each in messages]


# microsoft/clarity-agent#59, pydantic/pydantic-ai#1205, danny-avila/LibreChat#4349
@ON_SQLITE
async def test_the_limit_of_tokens_has_the_name_that_the_endpoint_takes(
    workspace: Workspace, model: Model
) -> None:
    text = "Unsupported parameter: 'max_tokens' is not supported with this model. "
    text += "Use 'max_completion_tokens' instead."

    def strict(answer: Any) -> Any:
        def check(body: dict[str, Any]) -> Any:
            return fault(400, text) if "max_tokens" in body else whole(model._chat(answer))

        return check

    task = await given_task(workspace, model)
    model.script = [*[strict(calls(("get_task", {"task": task})))] * 2, strict(ends(task))]
    await run(workspace)
    assert await state(workspace, task) == "failed"
    limits = [each.get("max_completion_tokens") for each in model.requests]
    assert limits == [None, 4096, 4096]


# langgenius/dify-official-plugins#2088, continuedev/continue#10193, deepseek-ai/DeepSeek-V3#1053
@ON_SQLITE
async def test_what_the_endpoint_wants_back_with_a_call_comes_back(
    workspace: Workspace, model: Model
) -> None:
    task = await given_task(workspace, model)
    signature = {"google": {"thought_signature": "c2lnbmF0dXJl" * 500}}
    turn = calls(("get_task", {"task": task}))
    turn["tool_calls"][0] |= {"extra_content": signature}
    model.script = [turn | {"reasoning_content": "I read it first."}, ends(task)]
    await run(workspace)
    assert await state(workspace, task) == "failed"
    (said,) = [each for each in model.shown if each["role"] == "assistant"]
    assert said["reasoning_content"] == "I read it first."
    assert said["tool_calls"][0]["extra_content"] == signature


# BerriAI/litellm keeps signatures of thoughts in the ids of calls
@ON_SQLITE
async def test_a_long_id_of_a_call_comes_back_whole(workspace: Workspace, model: Model) -> None:
    task = await given_task(workspace, model)
    turn = calls(("get_task", {"task": task}))
    turn["tool_calls"][0]["id"] = long = "call_1__thought__" + "x" * 4000
    model.script = [turn, ends(task)]
    await run(workspace)
    assert model.shown[-2]["tool_calls"][0]["id"] == model.shown[-1]["tool_call_id"] == long


@ON_SQLITE
async def test_no_two_calls_have_the_same_id(workspace: Workspace, model: Model) -> None:
    task = await given_task(workspace, model)
    twice = calls(("get_task", {"task": task}), ("get_task", {"task": task, "max_tokens": 1000}))
    for each in twice["tool_calls"]:
        each["id"] = "0"
    none = calls(("get_task", {"task": task}))
    del none["tool_calls"][0]["id"]
    model.script = [twice, none, none, ends(task)]
    await run(workspace)
    asked = [call["id"] for each in model.shown for call in each.get("tool_calls", ())]
    answered = [each["tool_call_id"] for each in model.shown if each["role"] == "tool"]
    assert asked == answered
    assert len(set(asked)) == 4


# avante-corp/avante.nvim#2562, aaif-goose/goose#5998, mistralai/mistral-vibe#578
@ON_SQLITE
async def test_no_user_follows_a_tool(workspace: Workspace, model: Model) -> None:
    task = await given_task(workspace, model)
    model.script = [calls(("get_task", {"task": task}))] * 5 + [says("")] + [ends(task)]
    await run(workspace)
    pairs = list(zip(roles(model.shown), roles(model.shown)[1:], strict=False))
    assert ("tool", "user") not in pairs
    assert ("user", "user") not in pairs
    assert "You made the same calls 5 times" in model.results[-1]
    assert [each["content"] for each in model.shown][-2:-1] == ["(no text)"]


# vllm-project/vllm#43995, OpenHands/software-agent-sdk#2887, router-for-me/CLIProxyAPI#2001
@ON_SQLITE
@pytest.mark.parametrize("arguments", ['{"task": ', "[]", "null", "{'task': 1}", '{"a": NaN}'])
async def test_arguments_that_are_no_object_do_not_come_back(
    workspace: Workspace, model: Model, arguments: str
) -> None:
    task = await given_task(workspace, model)
    model.script = [calls(("get_task", arguments)), ends(task)]
    await run(workspace)
    assert model.shown[-2]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert await state(workspace, task) == "failed"


def test_a_name_that_no_endpoint_takes_does_not_come_back() -> None:
    """OpenAI refuses a request in which a name has a dot or nothing."""
    names = ["functions.get_task", "get_task<|channel|>json", "", "x" * 90]
    asked = [
        {"id": str(n), "function": {"name": each, "arguments": "{}"}}
        for n, each in enumerate(names)
    ]
    (made,) = replayable([{"role": "assistant", "content": "", "tool_calls": asked}])
    found = [each["function"]["name"] for each in made["tool_calls"]]
    assert found == ["functions_get_task", "get_task_channel_json", "unknown", "x" * 64]


@ON_SQLITE
@pytest.mark.parametrize("arguments", [None, "", " ", "null", {}])
async def test_a_call_without_arguments_is_one_without_any(
    workspace: Workspace, model: Model, arguments: Any
) -> None:
    task = await given_task(workspace, model)
    turn = calls(("list_agents", {}))
    turn["tool_calls"][0]["function"]["arguments"] = arguments
    model.script = [turn, ends(task)]
    await run(workspace)
    assert "agents" in json.loads(model.results[0])


@ON_SQLITE
async def test_half_a_surrogate_pair_in_an_argument_is_a_question_mark(
    workspace: Workspace, model: Model
) -> None:
    task = await given_task(workspace, model)
    await workspace.agent("ada")
    model.script = [
        calls(("send_message", '{"to": "ada", "body": "cut \\ud83d here"}')),
        ends(task),
    ]
    await run(workspace)
    assert "error" not in json.loads(model.results[0])


# Models of Mistral answer with parts when they think
@ON_SQLITE
async def test_a_content_of_parts_is_its_text(workspace: Workspace, model: Model) -> None:
    task = await given_task(workspace, model)
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "I look."},
    ]
    turn = calls(("get_task", {"task": task})) | {"content": parts}
    model.script = [turn, ends(task)]
    await run(workspace)
    assert model.shown[-2]["content"] == "I look."
    assert await state(workspace, task) == "failed"


@ON_SQLITE
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            whole({"error": {"message": "Provider returned error", "code": 502}}),
            "it answered 200 with an error: Provider returned error",
        ),
        (whole({"error": "model is loading"}), "an error: model is loading"),
        (raw(b'data: {"choices": []}\n\ndata: [DONE]\n\n'), "a stream of events"),
    ],
)
async def test_an_error_with_status_200_is_said(
    workspace: Workspace, model: Model, answer: Any, why: str
) -> None:
    await given_task(workspace, model)
    model.script = [answer]
    await run(workspace)
    assert why in (await last(workspace))["error"]
    assert model.requests[0]["stream"] is False


@ON_SQLITE
@pytest.mark.parametrize("odd", ["half \ud83d", "mark"])
async def test_odd_json_of_an_endpoint_is_read(
    workspace: Workspace, model: Model, odd: str
) -> None:
    task = await given_task(workspace, model)
    body = model._chat(calls(("get_task", {"task": task})) | {"content": odd})
    body["choices"][0]["logprobs"] = {"token": float("nan")}
    text = ("\ufeff" if odd == "mark" else "") + json.dumps(body)
    model.script = [raw(text.encode()), ends(task)]
    await run(workspace)
    assert await state(workspace, task) == "failed"


@ON_SQLITE
async def test_the_whole_address_of_an_endpoint_works_too(
    workspace: Workspace, model: Model
) -> None:
    model.url += "/chat/completions"
    task = await given_task(workspace, model)
    model.script = [ends(task)]
    await run(workspace)
    assert await state(workspace, task) == "failed"
