"""What the list of tools costs every agent, and that its short schemas still say enough."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bot.errors import Refused
from bot.identity.actors import ROLES
from bot.identity.permissions import is_for_people
from bot.kernel.operation import Operation
from bot.kernel.tool_schemas import GLOSSARY
from bot.operations import OPERATIONS
from mcp_server.server import INSTRUCTIONS, TOOLS, WHOLE
from store.tables.agents import Role
from tests.support.engines import ON_SQLITE
from tests.support.mcp_clients import ERAS, connect
from tests.support.sampling import examples
from tests.support.server_in_process import Surface

# A token is four characters of the compact JSON of `tools/list`.
MOST_TOKENS: dict[Role, int] = {
    "observer": 4450,
    "tester": 6760,
    "developer": 9800,
    "tech-lead": 10540,
}
MOST_INSTRUCTIONS = 250
# Of an argument's description.
MOST_WORDS = 12
EVERY = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("role", ROLES)
@ON_SQLITE
async def test_the_tools_of_a_role_cost_no_more_than_promised(
    surface: Surface, role: Role, era: str
) -> None:
    async with connect(surface, era, role) as client:
        listed = await client.list_tools()
    sent = listed.model_dump(mode="json", by_alias=True, exclude_none=True)
    tokens = len(json.dumps(sent, separators=(",", ":"), ensure_ascii=False)) / 4
    assert tokens <= MOST_TOKENS[role], (
        f"The tools of the role {role} cost {tokens:.0f} tokens; the limit is {MOST_TOKENS[role]}. "
        "Shorten descriptions of arguments, or leave an argument out."
    )
    assert {tool.name for tool in listed.tools} == {
        each.name
        for each in OPERATIONS.values()
        if ROLES.index(each.role) <= ROLES.index(role) and not is_for_people(each.name)
    }


def test_the_instructions_are_short_and_say_what_the_schemas_leave_to_them() -> None:
    assert len(INSTRUCTIONS) / 4 <= MOST_INSTRUCTIONS
    schemas = json.dumps(WHOLE)
    for name, meaning in GLOSSARY.items():
        assert f"`{name}`: {meaning}" in INSTRUCTIONS
        assert json.dumps({"description": meaning})[1:-1] in schemas


@EVERY
def test_a_tools_schema_names_every_argument_and_what_is_required(operation: Operation) -> None:
    shown, whole = TOOLS[operation.name].input_schema, WHOLE[operation.name]
    Draft202012Validator.check_schema(shown)
    assert shown["properties"].keys() == operation.arguments.model_fields.keys()
    assert shown.get("required") == whole.get("required")


@EVERY
def test_every_argument_is_described_in_at_most_a_dozen_words(operation: Operation) -> None:
    for name, schema in WHOLE[operation.name]["properties"].items():
        kinds = [schema, *schema.get("anyOf", [])]
        described = [each["description"] for each in kinds if "description" in each]
        assert described, f"{operation.name}: {name} has no description"
        assert all(len(each.split()) <= MOST_WORDS for each in described), described


@EVERY
@settings(max_examples=examples(8), deadline=None)
@given(data=st.data())
def test_what_an_operation_takes_fits_its_tools_schema(
    operation: Operation, data: st.DataObject
) -> None:
    whole = WHOLE[operation.name]
    arguments = data.draw(_fitting(whole, whole.get("$defs", {})))
    Draft202012Validator(whole).validate(arguments)
    Draft202012Validator(TOOLS[operation.name].input_schema).validate(_without_nulls(arguments))


@pytest.mark.parametrize("role", ROLES)
@ON_SQLITE
async def test_an_argument_that_is_unknown_or_too_long_is_refused_though_the_schema_is_silent(
    surface: Surface, role: Role
) -> None:
    async with connect(surface, "auto", role) as client:
        for given_ in ({"agent_id": "ada", "shoe_size": 43}, {"agent_id": "a" * 64}):
            called = await client.call_tool("get_agent", given_)
            assert called.structured_content is not None
            assert called.structured_content["error"]["code"] == "invalid_arguments"


@EVERY
def test_an_optional_argument_may_be_null(operation: Operation) -> None:
    """Some clients send every argument."""
    fields = operation.arguments.model_fields
    nulls = {name: None for name, field in fields.items() if _nullable(operation, name, field)}
    try:
        operation.parse(nulls)
    except Refused as exc:
        refused = {each["argument"].partition(".")[0] for each in exc.details["errors"]}
        assert not refused & nulls.keys()


def _nullable(operation: Operation, name: str, field: Any) -> bool:
    kinds = WHOLE[operation.name]["properties"][name].get("anyOf", [])
    return not field.is_required() and {"type": "null"} in kinds


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _fitting(schema: dict[str, Any], defs: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit a schema of ours."""
    if ref := schema.get("$ref"):
        return _fitting(defs[ref.removeprefix("#/$defs/")], defs)
    if kinds := schema.get("anyOf"):
        return st.one_of([_fitting(each, defs) for each in kinds])
    if values := schema.get("enum"):
        return st.sampled_from(values)
    if items := schema.get("items"):
        least = schema.get("minItems", 0)
        return st.lists(_fitting(items, defs), min_size=least, max_size=least + 2)
    if schema.get("type") == "object":
        return _object(schema, defs)
    return _single(schema)


def _single(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    made: dict[str, st.SearchStrategy[Any]] = {
        "string": _text(schema),
        "integer": _integer(schema),
        "number": st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return made[schema["type"]] if "type" in schema else st.just({"any": ["JSON", 1]})


def _text(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if pattern := schema.get("pattern"):
        most = schema.get("maxLength", 1000)
        return st.from_regex(pattern, fullmatch=True).filter(lambda text: len(text) <= most)
    least = schema.get("minLength", 0)
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=least + 5)


def _integer(schema: dict[str, Any]) -> st.SearchStrategy[int]:
    beyond = schema.get("exclusiveMaximum")
    most = beyond - 1 if beyond is not None else schema.get("maximum")
    return st.integers(schema.get("minimum"), most)


def _object(schema: dict[str, Any], defs: dict[str, Any]) -> st.SearchStrategy[Any]:
    required = schema.get("required", [])
    fields = {name: _fitting(each, defs) for name, each in schema.get("properties", {}).items()}
    return st.fixed_dictionaries(
        {name: each for name, each in fields.items() if name in required},
        optional={name: each for name, each in fields.items() if name not in required},
    )
