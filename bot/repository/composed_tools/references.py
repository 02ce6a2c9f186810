"""`${{ arguments.NAME }}` and `${{ steps.ID.result.PATH }}` in the values of a composed tool.

A reference is a path, never an expression. A value takes its place once and is not looked at again.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Where: TypeAlias = tuple[str, ...]

OPENING = "${{"
REFERENCE = re.compile(r"\$\{\{(?P<inside>.{0,300}?)\}\}", re.DOTALL)
PATH = re.compile(
    r"(?P<of>arguments|steps)\.(?P<name>[a-z][a-z0-9_-]{0,39})(?P<rest>(\.[^.\s{}=<>!]{1,100}){0,10})"
)
ALLOWED = "write arguments.NAME, steps.ID.result with a path, or steps.ID.outcome"
# Levels of a value in the file, and of one that is put together.
DEEPEST = 12


@dataclass(frozen=True)
class Reference:
    """`part`: of a step. `path`: into the value, as `issues.0.key`."""

    of: Literal["arguments", "steps"]
    name: str
    part: Literal["", "result", "outcome"] = ""
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join(each for each in (self.of, self.name, self.part, *self.path) if each)


class Missing(Exception):
    """A reference leads to nothing."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(f"{reference} has no value")


def parse(inside: str) -> Reference | None:
    """The reference, or None if it is none."""
    found = PATH.fullmatch(inside.strip())
    if found is None:
        return None
    path = tuple(found["rest"].split(".")[1:])
    if found["of"] == "arguments":
        return Reference("arguments", found["name"], "", path)
    match path:
        case ("result", *inner):
            return Reference("steps", found["name"], "result", tuple(inner))
        case ("outcome",):
            return Reference("steps", found["name"], "outcome")
    return None


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


def as_written(text: str) -> Iterator[tuple[str, str]]:
    """Each reference in a text as it is written, with its inside; '' if it is not closed."""
    at = 0
    while (start := text.find(OPENING, at)) >= 0:
        found = REFERENCE.match(text, start)
        at = found.end() if found else start + len(OPENING)
        yield text[start:at], found["inside"].strip() if found else ""


def references_in(value: Any) -> Iterator[Reference]:
    """The references in a value, without those that are wrong."""
    for _, text in texts(value):
        for _, inside in as_written(text):
            if (found := parse(inside)) is not None:
                yield found


def with_values(value: Any, find: Callable[[Reference], Any]) -> Any:
    """The value with what its references lead to. `find` may raise Missing.

    A text that is nothing but a reference becomes the value itself, with its type.
    """
    if isinstance(value, dict):
        return {key: with_values(each, find) for key, each in value.items()}
    if isinstance(value, list):
        return [with_values(each, find) for each in value]
    if not isinstance(value, str) or OPENING not in value:
        return value
    whole = REFERENCE.fullmatch(value.strip())
    if whole and (reference := parse(whole["inside"])) is not None:
        return find(reference)
    return REFERENCE.sub(lambda found: _text(found, find), value)


def _text(found: re.Match[str], find: Callable[[Reference], Any]) -> str:
    reference = parse(found["inside"])
    value = found[0] if reference is None else find(reference)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def at_path(value: Any, reference: Reference) -> Any:
    """What is at the reference's path in a value. Raise Missing."""
    for part in reference.path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise Missing(reference)
    return value
