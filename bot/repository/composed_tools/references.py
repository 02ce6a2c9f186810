"""`${{ arguments.NAME }}` and `${{ steps.ID.result.PATH }}` in the values of a composed tool.

How they stand in a text: see `bot.kernel.references`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from bot.kernel import references
from bot.kernel.references import Default, with_default

PATH = re.compile(
    r"(?P<of>arguments|steps)\.(?P<name>[a-z][a-z0-9_-]{0,39})(?P<rest>(\.[^.\s{}=<>!]{1,100}){0,10})"
)
ALLOWED = (
    "write arguments.NAME, steps.ID.result with a path, or steps.ID.outcome; || VALUE may follow"
)
# Levels of a value in the file, and of one that is put together.
DEEPEST = 12


@dataclass(frozen=True)
class Reference:
    """`part`: of a step. `path`: into the value, as `issues.0.key`.

    `default`: what stands in for it if it leads to nothing, or to null.
    """

    of: Literal["arguments", "steps"]
    name: str
    part: Literal["", "result", "outcome"] = ""
    path: tuple[str, ...] = ()
    default: Default | None = None

    def __str__(self) -> str:
        return ".".join(each for each in (self.of, self.name, self.part, *self.path) if each)


class Missing(Exception):
    """A reference leads to nothing."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(f"{reference} has no value")


def parse(inside: str) -> Reference | None:
    """The reference, or None if it is none."""
    try:
        name, default = with_default(inside)
    except ValueError:
        return None
    found = PATH.fullmatch(name)
    if found is None:
        return None
    path = tuple(found["rest"].split(".")[1:])
    if found["of"] == "arguments":
        return Reference("arguments", found["name"], "", path, default)
    match path:
        case ("result", *inner):
            return Reference("steps", found["name"], "result", tuple(inner), default)
        case ("outcome",):
            return Reference("steps", found["name"], "outcome", (), default)
    return None


def references_in(value: Any) -> Iterator[Reference]:
    """The references in a value, without those that are wrong."""
    for _, text in references.texts(value):
        for _, inside in references.as_written(text):
            if (found := parse(inside)) is not None:
                yield found


def with_values(value: Any, find: Callable[[Reference], Any]) -> Any:
    """The value with what its references lead to. `find` may raise Missing."""
    return references.change_texts(
        value, lambda text: references.value_of(text, partial(_value_of, find=find))
    )


def _value_of(inside: str, find: Callable[[Reference], Any]) -> Any:
    reference = parse(inside)
    if reference is None:
        return f"${{{{ {inside} }}}}"
    try:
        value = find(reference)
    except Missing:
        if reference.default is None:
            raise
        value = None
    return reference.default.value if value is None and reference.default else value


def at_path(value: Any, reference: Reference) -> Any:
    """What is at the reference's path in a value. Raise Missing."""
    try:
        return references.at_path(value, reference.path)
    except references.NoValue as exc:
        raise Missing(reference) from exc
