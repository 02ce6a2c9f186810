"""`${{ NAME }}` in the values of files that people write. Pure.

A reference is a path, never an expression. A value takes its place once and is not looked at again.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Where: TypeAlias = tuple[str, ...]

OPENING = "${{"
REFERENCE = re.compile(r"\$\{\{(?P<inside>.{0,300}?)\}\}", re.DOTALL)


DEFAULT = "||"
WRONG_DEFAULT = "is JSON: a text in quotes, a number, true, false, null, a list or an object"


@dataclass(frozen=True)
class Default:
    """What stands in for a value that is not there."""

    value: Any


class NoValue(Exception):
    """A path leads to nothing."""


def with_default(inside: str) -> tuple[str, Default | None]:
    """The reference, and what follows it: `|| VALUE`. Raise ValueError if that is no JSON."""
    name, sign, written = inside.partition(DEFAULT)
    return name.strip(), Default(from_json(written.strip())) if sign else None


def from_json(written: str) -> Any:
    """A value in a file. A text may have single quotes, which are easier to write in YAML."""
    inner = written[1:-1]
    is_single = len(written) > 1 and written[0] == written[-1] == "'" and "'" not in inner
    try:
        return json.loads(json.dumps(inner) if is_single else written)
    except RecursionError as exc:
        raise ValueError from exc


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
    """Each reference as it is written, with what is inside; '' if it is not closed."""
    at = 0
    while (start := text.find(OPENING, at)) >= 0:
        found = REFERENCE.match(text, start)
        at = found.end() if found else start + len(OPENING)
        yield text[start:at], found["inside"].strip() if found else ""


def alone(text: str) -> str | None:
    """What is inside of a text that is nothing but one reference."""
    found = REFERENCE.fullmatch(text.strip())
    return found["inside"].strip() if found and "}}" not in found["inside"] else None


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def change_texts(value: Any, change: Callable[[str], Any]) -> Any:
    """The value with each text that has references changed."""
    if isinstance(value, dict):
        return {key: change_texts(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [change_texts(each, change) for each in value]
    return change(value) if isinstance(value, str) and OPENING in value else value


def value_of(text: str, find: Callable[[str], Any], as_text: Callable[[Any], str] = as_text) -> Any:
    """The text with what its references name. `find`: by what is inside of one.

    A text that is nothing but a reference becomes the value itself, with its type.
    """
    inside = alone(text)
    return in_text(text, lambda name: as_text(find(name))) if inside is None else find(inside)


def in_text(text: str, find: Callable[[str], str]) -> str:
    """The text with what its references name, in one pass."""
    return REFERENCE.sub(lambda found: find(found["inside"].strip()), text)


def at_path(value: Any, path: Sequence[str]) -> Any:
    """What is in a value at `issues.0.key`. Raise NoValue."""
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise NoValue
    return value
