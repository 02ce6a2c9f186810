"""Arguments in the forms that hosts of models send: null for what is left out, JSON in a string."""

import json
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType

from bot.errors import Refused
from bot.kernel.operation import Operation
from bot.operations import OPERATIONS
from webhooks import frames

REVIEW = {"pull_request": "a/b#1"}
COMMIT = {"branch": "fix", "message": "m", "repository": "a/b"}
FILE = {"path": "a.txt", "content": "x"}
LINE = {"path": "a.txt", "line": 3, "body": "x"}


def parsed(operation: str, **given: Any) -> Any:
    return OPERATIONS[operation].parse(given)


def refusal(operation: str, **given: Any) -> str:
    with pytest.raises(Refused) as caught:
        OPERATIONS[operation].parse(given)
    return caught.value.message


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_null_for_any_optional_argument_is_the_same_as_leaving_it_out(operation: Operation) -> None:
    fields = operation.arguments.model_fields
    nulls = {name: None for name, field in fields.items() if not field.is_required()}
    if len(nulls) == len(fields):
        assert operation.parse(nulls) == operation.parse({})
        return
    with pytest.raises(Refused) as caught:
        operation.parse(nulls)
    assert {each["problem"] for each in caught.value.details["errors"]} == {"is missing"}


@pytest.mark.parametrize(
    ("operation", "with_null", "without"),
    [
        (
            "github_commit_files",
            COMMIT | {"files": [FILE | {"base64": None}]},
            COMMIT | {"files": [FILE]},
        ),
        (
            "github_review_pr",
            REVIEW | {"comments": [LINE | {"side": None, "start_line": None}]},
            REVIEW | {"comments": [LINE]},
        ),
        ("update_agent", {"health": {"latency_ms": None}}, {"health": {}}),
    ],
)
def test_null_inside_of_an_object_is_the_same_as_leaving_it_out(
    operation: str, with_null: dict[str, Any], without: dict[str, Any]
) -> None:
    assert parsed(operation, **with_null) == parsed(operation, **without)


def test_null_for_a_required_argument_is_said_to_be_missing() -> None:
    assert refusal("get_task", task=None).startswith("get_task: `task` is missing.")


def test_null_is_a_value_where_any_json_is_and_no_item_of_a_list() -> None:
    assert parsed("create_context", name="n", content=None).content is None
    assert refusal("claim_task", paths=[None]) == "claim_task: `paths.0` must be a string."
    inputs = {"x": None}
    assert "`inputs.x` must be a string" in refusal(
        "github_run_workflow", repository="a/b", workflow="ci.yml", inputs=inputs
    )


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("claim_task", {"paths": ["src", "docs"]}),
        ("update_agent", {"capabilities": []}),
        ("update_agent", {"health": {"latency_ms": 5}}),
        ("mark_message_read", {"message_id": ["m_1", "m_2"]}),
        ("wait_for_events", {"topics": ["tasks"]}),
        ("github_commit_files", COMMIT | {"files": [FILE, FILE | {"path": "b.txt"}]}),
        ("github_review_pr", REVIEW | {"comments": [LINE]}),
        ("github_run_workflow", {"repository": "a/b", "workflow": "c.yml", "inputs": {"x": "1"}}),
    ],
)
def test_a_list_or_object_that_came_as_json_in_a_string_is_taken(
    operation: str, given: dict[str, Any]
) -> None:
    fields = {name: each for name, each in given.items() if isinstance(each, list | dict)}
    encoded = {name: f" {json.dumps(each, indent=1)}" for name, each in fields.items()}
    assert parsed(operation, **given | encoded) == parsed(operation, **given)


def test_json_in_strings_inside_of_a_list_is_taken() -> None:
    inner = json.dumps([json.dumps(FILE | {"base64": None})])
    assert parsed("github_commit_files", **COMMIT, files=inner) == parsed(
        "github_commit_files", **COMMIT, files=[FILE]
    )


@pytest.mark.parametrize("text", ['["a"]', '{"a": 1}', "[", "null"])
def test_where_a_text_may_stand_it_stays_a_text(text: str) -> None:
    assert parsed("create_context", name="n", content=text).content == text
    assert parsed("send_message", to="ada", body=text).body == text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("src", ', for example ["src"].'),
        ("src, docs,", ', for example ["src", "docs"].'),
        ("", "."),
        (7, "."),
        ('["src"', "; the string is not a JSON list."),
        ('{"src": 1}', "; the string is not a JSON list."),
        ('["src", 5]', None),
    ],
)
def test_the_example_in_a_refusal_is_the_list_that_was_meant(given: Any, said: str | None) -> None:
    expected = "`paths.1` must be a string." if said is None else f"`paths` must be a list{said}"
    assert refusal("claim_task", paths=given) == f"claim_task: {expected}"


def test_a_list_of_objects_is_described_by_their_fields() -> None:
    assert refusal("github_commit_files", **COMMIT, files="a.txt") == (
        "github_commit_files: `files` must be a list of objects, each with path, content, base64?."
    )


@pytest.mark.parametrize("arguments", [None, "{}", '{"limit": null}'])
def test_a_frame_of_a_websocket_may_have_null_or_json_in_a_string(arguments: Any) -> None:
    frame = {"type": "call", "id": 1, "operation": "list_agents", "arguments": arguments}
    found: Any = frames.parse(WSMessage(WSMsgType.TEXT, json.dumps(frame), None))
    assert OPERATIONS["list_agents"].parse(found.arguments) == parsed("list_agents")
