"""The arguments of a call are checked by the schema of the tool, however the schema is meant."""

from typing import Any

import pytest

from bot.tools.tool_arguments import problems, remedy, with_types

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 10},
        "count": {"type": "integer", "minimum": 1},
        "state": {"enum": ["open", "closed"]},
        "items": {
            "type": "array",
            "items": {"type": "object", "required": ["name"], "properties": {"name": {}}},
        },
        "who": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["title"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"title": "a", "items": [{"name": 1}], "who": None}, []),
        ({}, ["`title` is missing"]),
        ({"title": 4}, ["`title` must be a text, and is a number"]),
        ({"title": "a" * 11}, ["`title` must have at most 10 characters"]),
        ({"title": "a", "count": 0}, ["`count` must be at least 1"]),
        ({"title": "a", "count": True}, ["`count` must be a whole number, and is a boolean"]),
        ({"title": "a", "state": "new"}, ["`state` must be one of open, closed"]),
        ({"title": "a", "items": [{}]}, ["`items[0].name` is missing"]),
        ({"title": "a", "who": 4}, ["`who` fits none of the forms that the tool takes"]),
        (
            {"title": "a", "counts": 1},
            ["`counts` is not an argument of the tool (did you mean count?)"],
        ),
    ],
)
def test_a_wrong_argument_is_named_with_its_place(
    arguments: dict[str, Any], told: list[str]
) -> None:
    assert list(map(str, problems(SCHEMA, arguments))) == told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": "a"}, "Its arguments: title, count?, state?, items?, who?."),
        # What is inside of an argument, only its schema says.
        ({"title": "a", "items": [{}]}, "find_tools with the query t__go shows what it takes."),
    ],
)
def test_an_error_says_what_the_tool_takes(arguments: dict[str, Any], told: str) -> None:
    assert remedy("t__go", SCHEMA, problems(SCHEMA, arguments)) == told


def test_an_error_repeats_no_long_or_hidden_names_of_a_server() -> None:
    told = "find_tools with the query t__go shows what it takes."
    for name in ("n" * 400, "in\u200bvisible"):
        schema = {"type": "object", "properties": {name: {}}, "required": ["title"]}
        assert remedy("t__go", schema, problems(schema, {})) == told
    body = {"properties": {"body": {"type": "object"}}, "required": ["body"]}
    assert remedy("t__go", body, problems(body, {})) == told, "a text is not enough here"


def nested_choices(depth: int) -> dict[str, Any]:
    """Each level doubles the work of a check that has no bound."""
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(depth):
        schema = {"anyOf": [{"allOf": [schema, schema]}, schema]}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "https://example.com/other.json"},
        {"$ref": "file:///etc/passwd"},
        {"type": 5},
        {"type": "nonsense"},
        {"properties": [1, 2]},
        {"properties": {"text": {"pattern": "^(a+)+$"}}},
        {"patternProperties": {"^(t+)+x$": {"type": "null"}}, "additionalProperties": False},
        {"properties": {"text": {"multipleOf": 0}}},
        {"properties": {"text": nested_choices(25)}},
        {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
    ],
)
def test_a_schema_that_would_stop_the_server_lets_the_call_pass(schema: dict[str, Any]) -> None:
    assert problems(schema, {"text": "a" * 40 + "!", "t" * 30: 1}) == []


def test_the_items_of_many_lists_are_compared_in_little_time() -> None:
    """Each with each would take minutes. Items of several types have no order."""
    schema = {"properties": {"all": {"items": {"uniqueItems": True}}}}
    assert problems(schema, {"all": [[{}, {}]]})
    assert problems(schema, {"all": [["a", {"n": [1]}, 2, {"n": [1]}]]})
    many = [["x", *({"n": n} for n in range(500))] for _ in range(100)]
    assert not problems(schema, {"all": many})


@pytest.mark.parametrize("wrong", [[{"x": 1}], {"x": 1}, 5, None])
def test_a_type_that_is_none_changes_no_argument(wrong: Any) -> None:
    schema = {"properties": {"a": {"type": wrong}}}
    assert with_types(schema, {"a": "[1]"}) == {"a": "[1]"}


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\ud800"])
def test_a_text_that_is_no_json_stays_a_text(text: str) -> None:
    schema = {"properties": {"a": {"type": "array"}}}
    assert with_types(schema, {"a": text}) == {"a": text}
