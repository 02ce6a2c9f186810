"""The arguments of a step with `tool`: their texts, and what they are with the inputs. Pure."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from bot.workflows.definitions import references
from bot.workflows.definitions.definition import InputValue

# Characters of the arguments of one step as JSON, in the file and with the values of inputs.
LONGEST = 20_000
# Levels of lists and objects in the arguments.
DEEPEST = 8
# What Hubbub says of a tool's answer, among the outputs of the step.
MARKS = ("source", "trusted", "left_out")
# Stored arguments have {LATER: [text, {OUTPUT: "steps.ID.outputs.NAME"}, …]} for such a text.
# Values of inputs are texts and lists of texts, so that none of them is ever taken for one.
LATER, OUTPUT = "${{", "output"

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
    if any(references.output(inside) for _, inside in references.references(value)):
        return {LATER: _parts(value, lambda inside: as_text(find(inside)))}
    whole = references.REFERENCE.fullmatch(value.strip())
    if whole and "}}" not in whole["inside"]:
        return find(whole["inside"].strip())
    return references.with_values(value, lambda inside: as_text(find(inside)))


def _parts(text: str, find: Callable[[str], str]) -> list[Any]:
    """The text in parts: what is known, and the outputs that are taken when the call begins."""
    text = text.strip() if references.REFERENCE.fullmatch(text.strip()) else text
    parts: list[Any] = []
    at = 0
    for found in references.REFERENCE.finditer(text):
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
    if (parts := _later(value)) is not None:
        found = [_part(each, find) for each in parts]
        return found[0] if len(found) == 1 else "".join(map(_as_text, found))
    if isinstance(value, dict):
        return {key: with_outputs(each, find) for key, each in value.items()}
    if isinstance(value, list):
        return [with_outputs(each, find) for each in value]
    return value


def _part(part: Any, find: Callable[[references.Output], Any]) -> Any:
    named = references.output(part[OUTPUT]) if isinstance(part, dict) else None
    return part if named is None else find(named)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
    return with_outputs(value, lambda named: f"${{{{ {named} }}}}")


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))
