"""The arguments of a step with `tool`: their texts, and what they are with the inputs. Pure."""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from bot.workflows.definitions import references
from bot.workflows.definitions.definition import InputValue

# Characters of the arguments of one step as JSON, in the file and with the values of inputs.
LONGEST = 20_000
# Levels of lists and objects in the arguments.
DEEPEST = 8
# What Hubbub says of a tool's answer, among the outputs of the step.
MARKS = ("source", "trusted", "left_out")

Where: TypeAlias = tuple[str, ...]


def texts(value: Any, where: Where = ()) -> Iterator[tuple[Where, str]]:
    """Each text in a value, with its path."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts(each, (*where, key))
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from texts(each, (*where, str(n)))


def with_values(
    value: Any, find: Callable[[str], InputValue], as_text: Callable[[InputValue], str]
) -> Any:
    """The value with what its references name.

    A text that is nothing but a reference becomes the value itself: a number stays a number.
    """
    if isinstance(value, dict):
        return {key: with_values(each, find, as_text) for key, each in value.items()}
    if isinstance(value, list):
        return [with_values(each, find, as_text) for each in value]
    if not isinstance(value, str) or references.OPENING not in value:
        return value
    whole = references.REFERENCE.fullmatch(value.strip())
    if whole and "}}" not in whole["inside"]:
        return find(whole["inside"].strip())
    return references.with_values(value, lambda inside: as_text(find(inside)))


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))
