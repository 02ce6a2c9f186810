"""Checks the arguments and the result of a call by the schemas of a tool, which others wrote.

So the check is bounded: it makes a limited number of steps in a limited time, runs no regular
expression of the schema, and follows no reference to another document. What it cannot check it lets
pass: the tool's server checks arguments too.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any

from jsonschema import validators
from jsonschema.exceptions import UnknownType, ValidationError, best_match
from jsonschema.validators import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from bot.kernel import argument_errors
from bot.kernel.sentences import shorten
from bot.kernel.untrusted_text import visible
from store.engine import json_text

MOST_STEPS = 20_000
# Of the processor, for one check. A step takes long if it compares or quotes large values.
MOST_S = 0.25
MOST_SHOWN = 5
LONGEST = 160
# The names of all arguments, in an error.
LONGEST_NAMES = 300
MISSING = "is missing"
TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "null": "null",
}
JSON_TYPES = frozenset({"object", "array", "integer", "number", "boolean"})
# A regular expression of the schema may take years, so the tool's server runs it.
WITHOUT = ("pattern", "patternProperties", "format", "unevaluatedItems", "unevaluatedProperties")
# What a schema that is no schema raises.
NO_SCHEMA = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    UnknownType,
    Unresolvable,
    ValueError,
)


@dataclass
class _Room:
    """`until`: by the clock of this thread's time on the processor."""

    steps: int
    until: float

    def take(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0 or time.thread_time() > self.until:
            raise _TooLong


_room: ContextVar[_Room] = ContextVar("room")


@dataclass(frozen=True)
class Problem:
    """`place`: as `items[0].name`; empty for the arguments as a whole."""

    place: str
    why: str
    # A name is missing or unknown, whatever the values are.
    is_of_name: bool = False

    def __str__(self) -> str:
        return f"`{self.place}` {self.why}" if self.place else f"the arguments {self.why}"


class _TooLong(Exception):
    pass


def with_types(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Texts that are JSON become values, where the tool takes no text.

    A command line has only texts, and models write them too.
    """
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    return {name: _with_type(known.get(name), value) for name, value in arguments.items()}


def _with_type(schema: Any, given: Any) -> Any:
    types = [str(each) for each in _list(schema.get("type"))] if isinstance(schema, dict) else []
    if not isinstance(given, str) or JSON_TYPES.isdisjoint(types) or "string" in types:
        return given
    try:
        return json_text.value(given)
    except ValueError:
        return given


def problems(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the arguments, at most five."""
    return _problems(schema, arguments, "is not an argument of the tool")


def remedy(tool: str, schema: Mapping[str, Any], found: Sequence[Problem]) -> str:
    """What the tool takes, in short, or how to see it."""
    properties, required = schema.get("properties"), schema.get("required")
    names: Mapping[str, Any] = properties if isinstance(properties, dict) else {}
    needed = required if isinstance(required, list) else []
    shown = ", ".join(each if each in needed else f"{each}?" for each in names)
    inner = any(
        each.place not in names or _is_nested(names[each.place])
        for each in found
        if each.why == MISSING or set(each.place) & set(".[")
    )
    if not names or inner or len(shown) > LONGEST_NAMES or visible(shown) != shown:
        return f"find_tools with the query {tool} shows what it takes."
    return f"Its arguments: {shown}."


def _is_nested(schema: Any) -> bool:
    return not isinstance(schema, dict) or not {"object", "array"}.isdisjoint(
        _list(schema.get("type", "object"))
    )


def why_no_result(schema: Mapping[str, Any] | None, result: Any) -> str:
    """Why the structured result of a tool breaks its own schema. Empty if it does not."""
    if schema is None:
        return ""
    if result is None:
        return "there is no structured result"
    found = _problems(schema, result, "is not in the schema")
    return "; ".join(str(each) if each.place else f"the result {each.why}" for each in found[:3])


def _problems(schema: Mapping[str, Any], value: Any, unknown: str) -> list[Problem]:
    token = _room.set(_Room(MOST_STEPS, time.thread_time() + MOST_S))
    try:
        checker = _checker(str(schema.get("$schema", "")))(schema, registry=Registry())
        found = []
        for error in checker.iter_errors(value):
            found.append(_problem(_deepest(error), unknown))
            if len(found) == MOST_SHOWN:
                break
    except (_TooLong, *NO_SCHEMA):
        return []
    finally:
        _room.reset(token)
    return list(dict.fromkeys(found))


def _deepest(error: ValidationError) -> ValidationError:
    """Of alternatives the one that fits best."""
    return best_match([error]) or error


@cache
def _checker(draft: str) -> Any:
    whole = validators.validator_for({"$schema": draft}, default=Draft202012Validator)
    counted = {name: _with_bound(name, rule) for name, rule in whole.VALIDATORS.items()}
    counted |= {name: _nothing for name in WITHOUT if name in counted}
    counted["additionalProperties"] = _unless_patterns(counted["additionalProperties"])
    counted["uniqueItems"] = _with_bound("uniqueItems", _unique_items)
    return validators.extend(whole, counted)  # type: ignore[no-untyped-call]


def _with_bound(rule_name: str, rule: Any) -> Any:
    @wraps(rule)
    def check(validator: Any, value: Any, given: Any, schema: Any) -> Iterator[ValidationError]:
        # Each choice of a list is compared.
        _room.get().take(1 + (len(value) if isinstance(value, list) and rule_name == "enum" else 0))
        yield from rule(validator, value, given, schema) or ()

    return check


def _nothing(*_: Any) -> Iterator[ValidationError]:
    return iter(())


def _unless_patterns(rule: Any) -> Any:
    """It would run the patterns to see which properties are additional."""

    def check(validator: Any, value: Any, given: Any, schema: Any) -> Iterator[ValidationError]:
        if "patternProperties" not in schema:
            yield from rule(validator, value, given, schema)

    return check


def _unique_items(_: Any, wanted: Any, given: Any, __: Any) -> Iterator[ValidationError]:
    """The library compares each item with each other. 1 and 1.0 count as different here."""
    if wanted is not True or not isinstance(given, list):
        return
    seen: set[str] = set()
    for each in given:
        _room.get().take(1)
        text = json.dumps(each, sort_keys=True)
        if text in seen:
            yield ValidationError("has the same item twice")
            return
        seen.add(text)


def _problem(error: ValidationError, unknown: str) -> Problem:
    place = place_name(list(error.absolute_path))
    rule, value, given = error.validator, error.validator_value, error.instance
    if rule == "required" and isinstance(given, dict) and isinstance(value, list):
        missing = [str(each) for each in value if each not in given]
        return Problem(_inner_name(place, missing[0][:LONGEST]), MISSING, is_of_name=True)
    if rule == "additionalProperties" and isinstance(given, dict):
        schema: Any = error.schema
        known = list(schema.get("properties", {}))
        extra = next((each for each in given if each not in known), "")
        hint = argument_errors.nearest(extra, known)
        inner = _inner_name(place, extra[:LONGEST])
        return Problem(inner, f"{unknown}{hint}", is_of_name=True)
    return Problem(place, _why(rule, value, given))


def _why(rule: object, value: Any, given: Any) -> str:
    if rule == "type":
        wanted = [TYPES.get(each, f"a {each}") for each in _list(value)]
        return f"must be {' or '.join(wanted)}, and is {_kind(given)}"
    if rule in ("enum", "const"):
        choices = ", ".join(str(each)[:40] for each in _list(value)[:20])
        return f"must be one of {choices}" if rule == "enum" else f"must be {choices}"
    limits = {
        "minimum": f"must be at least {value}",
        "maximum": f"must be at most {value}",
        "exclusiveMinimum": f"must be more than {value}",
        "exclusiveMaximum": f"must be less than {value}",
        "minLength": f"must have at least {value} characters",
        "maxLength": f"must have at most {value} characters",
        "minItems": f"must have at least {value} items",
        "maxItems": f"must have at most {value} items",
        "uniqueItems": "must not have the same item twice",
        "anyOf": "fits none of the forms that the tool takes",
        "oneOf": "must fit exactly one of the forms that the tool takes",
    }
    # The library's messages repeat the value, which may be long or a secret.
    return limits.get(str(rule)) or f"does not fit the rule {shorten(str(rule), 40)} of the schema"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _kind(given: Any) -> str:
    if isinstance(given, bool):
        return "a boolean"
    names = {dict: "object", list: "array", str: "string", type(None): "null"}
    return TYPES[names[type(given)]] if type(given) in names else "a number"


def place_name(path: Sequence[Any]) -> str:
    """As `items[0].name`."""
    name = ""
    for part in path:
        name = (
            f"{name}[{part}]" if isinstance(part, int) else _inner_name(name, str(part)[:LONGEST])
        )
    return name[:300]


def _inner_name(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
