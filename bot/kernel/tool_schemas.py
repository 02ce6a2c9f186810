"""Short schemas of the tools: every agent pays for their tokens at each start.

What a schema leaves out is still checked by `parse`, which says what to pass instead.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

NULL = {"type": "null"}
# Titles repeat names. The error of a wrong call says the rest.
LEFT_OUT = frozenset(
    {
        "title",
        "additionalProperties",
        "propertyNames",
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "maxProperties",
    }
)
BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
# Few calls reach a limit this high.
FAR = 10_000
# The server's instructions describe arguments with these names once for all tools.
GLOSSARY = {
    "key": "calls with the same key run once",
    "wait_s": "wait up to this many seconds, at most 50",
    "cursor": "next_cursor of the page before, even a short one",
    "limit": "at most this many, up to 100",
    "task": "owner/repo#12 or a task id",
    "fence": "the fence that claim_task returned",
    "repository": "owner/repo",
    "title": "one line",
    "priority": "how urgent it is",
    "body": "Markdown",
    "context_id": "the context's id",
    "agent_id": "an agent's id",
    "message_id": "the message's id",
    "label": "a label of the issue",
    "issue": "owner/repo#12 or a task id",
    "pull_request": "owner/repo#12",
    "name": "a name for people",
    "note": "the reason",
    "max_tokens": "the answer's size, in tokens of four bytes",
}
# What a filter does is clear from its name.
FILTER = re.compile(r"only (in )?this \w+")
# Defaults that say only that the argument is optional.
NOTHING: tuple[Any, ...] = (None, "", [], {}, False, 0)


def lean(whole: Schema) -> Schema:
    """A shorter schema of the same arguments. It may accept more; `parse` refuses that.

    Optional arguments lose the type null.
    """
    uses = Counter(_references(whole))
    shared = {
        name: each
        for name, each in whole.get("$defs", {}).items()
        if uses[f"#/$defs/{name}"] > 1 or f"#/$defs/{name}" in _references(each)
    }
    made: Schema = _lean({**whole, "$defs": shared}, whole.get("$defs", {}), shared)
    for name, argument in made["properties"].items():
        if argument.get("description") == GLOSSARY.get(name):
            argument.pop("description", None)
            argument.pop("maximum", None)
        if FILTER.fullmatch(argument.get("description", "")):
            argument.pop("description")
    return {name: value for name, value in made.items() if name != "$defs" or value}


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(ref := part.get("$ref"), str):
            yield ref
        for each in part.values():
            yield from _references(each)
    elif isinstance(part, list):
        for each in part:
            yield from _references(each)


def _lean(part: Any, defs: Schema, shared: Schema) -> Any:
    if isinstance(part, list):
        return [_lean(each, defs, shared) for each in part]
    if not isinstance(part, dict):
        return part
    part = _inline(_without_null(part), defs, shared)
    made = {}
    for name, value in part.items():
        if name in ("properties", "$defs"):
            made[name] = {key: _lean(each, defs, shared) for key, each in value.items()}
        elif name == "additionalProperties" and isinstance(value, dict):
            made[name] = _lean(value, defs, shared)
        elif not _can_be_left_out(name, value):
            made[name] = _lean(value, defs, shared) if name not in ("default", "enum") else value
    return made


def _inline(part: Schema, defs: Schema, shared: Schema) -> Schema:
    """A definition that is used only once stands where it is used."""
    name = str(part.get("$ref", "")).removeprefix("#/$defs/")
    if name not in defs or name in shared:
        return part
    # The argument's own description says what the objects are for.
    made = {key: value for key, value in defs[name].items() if key != "description"}
    return {**made, **{key: value for key, value in part.items() if key != "$ref"}}


def _without_null(part: Schema) -> Schema:
    kinds = part.get("anyOf")
    if kinds is None:
        return part
    rest = {name: value for name, value in part.items() if name != "anyOf"}
    if part.get("default", NULL) is None:
        kinds = [each for each in kinds if each != NULL]
    if len(kinds) == 1:
        return {**kinds[0], **rest}
    if all(each.keys() == {"type", "enum"} and each["type"] == "string" for each in kinds):
        return {
            "type": "string",
            "enum": [value for each in kinds for value in each["enum"]],
        } | rest
    return {"anyOf": kinds, **rest}


def _can_be_left_out(name: str, value: Any) -> bool:
    if name == "default":
        return value in NOTHING
    if name in BOUNDS:
        return abs(value) >= FAR or (name == "minimum" and value in (0, 1))
    return name in LEFT_OUT
