"""`${{ inputs.NAME }}`, `${{ item }}` and outputs of other steps in the texts of a step. Pure.

A reference is a name, never an expression. A value takes its place once and is not looked at again.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

OPENING = "${{"
REFERENCE = re.compile(r"\$\{\{(?P<inside>.{0,200}?)\}\}", re.DOTALL)
INPUT = re.compile(r"inputs\.([a-z][a-z0-9_-]{0,39})")
OUTPUT = re.compile(
    r"steps\.([a-z][a-z0-9-]{0,39})\.outputs\.([a-z][a-z0-9_-]{0,39})((?:\.[^.\s{}]{1,100}){0,10})"
)
ITEM = "item"
ALLOWED = "only ${{ inputs.NAME }} and, in a step with each, ${{ item }} are allowed"


@dataclass(frozen=True)
class Output:
    """`steps.STEP.outputs.NAME.PATH`."""

    step: str
    name: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join(("steps", self.step, "outputs", self.name, *self.path))


def references(text: str) -> Iterator[tuple[str, str]]:
    """Each reference as it is written, with the name inside. The name of an unclosed one is ''."""
    at = 0
    while (start := text.find(OPENING, at)) >= 0:
        found = REFERENCE.match(text, start)
        at = found.end() if found else start + len(OPENING)
        yield text[start:at], found["inside"].strip() if found else ""


def input_name(inside: str) -> str | None:
    """`feature` for `inputs.feature`."""
    found = INPUT.fullmatch(inside)
    return found[1] if found else None


def output(inside: str) -> Output | None:
    """The output that a reference names."""
    found = OUTPUT.fullmatch(inside)
    return Output(found[1], found[2], tuple(found[3].split(".")[1:])) if found else None


def with_values(text: str, value: Callable[[str], str]) -> str:
    """The text with the value of each name in it, in one pass."""
    return REFERENCE.sub(lambda found: value(found["inside"].strip()), text)
