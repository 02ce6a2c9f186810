"""The arguments of a step with `tool`: their texts, and what they are with the inputs. Pure."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot.kernel.references import REFERENCE, alone, as_text, as_written, change_texts, value_of
from bot.workflows.definitions import references
from bot.workflows.definitions.definition import InputValue

# Characters of the arguments of one step as JSON, in the file and with the values of inputs.
LONGEST = 20_000
# With outputs of other steps, each of which may be as long.
LONGEST_AT_CALL = 100_000
# Levels of lists and objects in the arguments.
DEEPEST = 8
# What Hubbub says of a tool's answer, among the outputs of the step.
MARKS = ("source", "trusted", "left_out")
# Stored arguments have {LATER: [text, {OUTPUT: "steps.ID.outputs.NAME"}, …]} for such a text.
# Values of inputs are texts and lists of texts, so that none of them is ever taken for one.
LATER, OUTPUT = "${{", "output"


def with_values(
    value: Any, find: Callable[[str], InputValue], as_text: Callable[[InputValue], str]
) -> Any:
    """The value with what its references name. Outputs are left for the time of the call."""

    def change(text: str) -> Any:
        if any(references.output(inside) for _, inside in as_written(text)):
            return {LATER: _parts(text, lambda inside: as_text(find(inside)))}
        return value_of(text, find, as_text)

    return change_texts(value, change)


def _parts(text: str, find: Callable[[str], str]) -> list[Any]:
    """The text in parts: what is known, and the outputs that are taken when the call begins."""
    if (inside := alone(text)) is not None:
        return [{OUTPUT: inside}]
    parts: list[Any] = []
    at = 0
    for found in REFERENCE.finditer(text):
        inside = found["inside"].strip()
        named = references.output(inside)
        parts += [text[at : found.start()], {OUTPUT: inside} if named else find(inside)]
        at = found.end()
    return [each for each in (*parts, text[at:]) if each != ""]


def _later(value: Any) -> list[Any] | None:
    """The parts of a text with outputs."""
    if not isinstance(value, dict) or value.keys() != {LATER}:
        return None
    parts = value[LATER]
    return parts if isinstance(parts, list) else None


def with_outputs(value: Any, find: Callable[[references.Output], Any]) -> Any:
    """The stored arguments with the outputs of other steps. An output alone keeps its type."""

    def part(inside: str) -> Any:
        named = references.output(inside)
        return None if named is None else find(named)

    return _with_parts(value, part)


def _with_parts(value: Any, find: Callable[[str], Any]) -> Any:
    if (parts := _later(value)) is not None:
        found = [find(each[OUTPUT]) if isinstance(each, dict) else each for each in parts]
        return found[0] if len(found) == 1 else "".join(map(as_text, found))
    if isinstance(value, dict):
        return {key: _with_parts(each, find) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_parts(each, find) for each in value]
    return value


def has_outputs(value: Any) -> bool:
    """Whether stored arguments have an output of another step."""
    if _later(value) is not None:
        return True
    inner = value.values() if isinstance(value, Mapping) else value
    return (
        not isinstance(inner, str) and isinstance(inner, Iterable) and any(map(has_outputs, inner))
    )


def as_shown(value: Any) -> Any:
    """The stored arguments for people: an output as it is written in the file."""
    return _with_parts(value, lambda inside: f"${{{{ {inside} }}}}")


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))
