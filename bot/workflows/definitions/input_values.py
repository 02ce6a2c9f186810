"""The values of a workflow's inputs: their checks, defaults, and texts. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from bot.errors import Refused
from bot.workflows.definitions.definition import (
    LONGEST_INPUT,
    MOST_STEPS,
    Definition,
    Input,
    InputValue,
)

# A text may have several lines. An entry of a list may not, because titles show it.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
CONTROL_OR_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
# How many names or problems an error shows.
MOST_SHOWN = 10


def complete(definition: Definition, given: Mapping[str, Any]) -> dict[str, InputValue]:
    """The value of each input, with the defaults of those that were not given. Raise Refused."""
    found = _problems(definition, given)
    if found:
        shown = dict(list(found.items())[:MOST_SHOWN])
        said = "; ".join(f"{name} {why}" for name, why in shown.items())
        raise Refused("invalid_arguments", f"inputs: {said}.", errors=shown)
    return {
        name: given[name] if name in given else _default(each)
        for name, each in definition.inputs.items()
    }


def _problems(definition: Definition, given: Mapping[str, Any]) -> dict[str, str]:
    known = ", ".join(definition.inputs) or "none"
    unknown = {
        name[:80]: f"is unknown; the inputs are {known}"
        for name in given
        if name not in definition.inputs
    }
    missing = {
        name: f"is missing: pass a {each.type}"
        + (f" ({each.description})" * bool(each.description))
        for name, each in definition.inputs.items()
        if each.is_required and name not in given
    }
    wrong = {
        name: why
        for name, each in definition.inputs.items()
        if name in given and (why := problem(each, given[name]))
    }
    return {**missing, **wrong, **unknown}


def _default(given: Input) -> InputValue:
    assert given.default is not None
    return given.default


def problem(its: Input, value: Any) -> str | None:
    """What is wrong with a value for this input. It continues a sentence."""
    if its.type == "boolean":
        return None if isinstance(value, bool) else "must be true or false"
    if its.type == "number":
        return None if _is_number(value) else "must be a number"
    if its.type == "list":
        return _problem_of_list(value)
    return _problem_of_text(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return NUMBER.fullmatch(value) is not None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # A whole number may be too large for a float. NaN is less than nothing.
    return abs(value) < 10**15


def _problem_of_text(value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be a text; put it in quotes"
    if not value.strip():
        return "must not be empty"
    if len(value) > LONGEST_INPUT:
        return f"must have at most {LONGEST_INPUT} characters"
    return "has a control character" if CONTROL.search(value) else None


def _problem_of_list(value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return "must be a list of texts"
    if not all(each.strip() for each in value or [""]):
        return "has an empty entry" if value else "must not be empty"
    if len(value) > MOST_STEPS:
        return f"must have at most {MOST_STEPS} entries"
    if sum(map(len, value)) > LONGEST_INPUT:
        return f"must have at most {LONGEST_INPUT} characters"
    if any(CONTROL_OR_LINE.search(each) for each in value):
        return "has an entry with a line break or a control character"
    return None


def from_words(definition: Definition, words: Mapping[str, str]) -> dict[str, Any]:
    """The values of `key=value`, as a command has them: `a,b` for a list, `yes` for true."""
    return {
        name: _from_word(definition.inputs[name], word) if name in definition.inputs else word
        for name, word in words.items()
    }


def _from_word(its: Input, word: str) -> Any:
    if its.type == "boolean":
        return {"true": True, "yes": True, "false": False, "no": False}.get(word.lower(), word)
    if its.type == "list":
        return [each.strip() for each in word.split(",") if each.strip()]
    return word


def as_text(value: InputValue) -> str:
    """The value as a title or a body shows it."""
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
