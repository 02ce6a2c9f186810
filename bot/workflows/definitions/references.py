"""`${{ inputs.NAME }}`, `${{ item }}` and outputs of other steps in the texts of a step. Pure.

How they stand in a text: see `bot.kernel.references`.
"""

import re
from dataclasses import dataclass

from bot.kernel.references import Default, with_default

INPUT = re.compile(r"inputs\.([a-z][a-z0-9_-]{0,39})")
OUTPUT = re.compile(
    r"steps\.([a-z][a-z0-9-]{0,39})\.outputs\.([a-z][a-z0-9_-]{0,39})((?:\.[^.\s{}]{1,100}){0,10})"
)
ITEM = "item"


@dataclass(frozen=True)
class Output:
    """`steps.STEP.outputs.NAME.PATH`. `default`: what stands in for it if it has no value."""

    step: str
    name: str
    path: tuple[str, ...] = ()
    default: Default | None = None

    def __str__(self) -> str:
        return ".".join(("steps", self.step, "outputs", self.name, *self.path))


def input_name(inside: str) -> str | None:
    """`feature` for `inputs.feature`."""
    found = INPUT.fullmatch(inside)
    return found[1] if found else None


def output(inside: str) -> Output | None:
    """The output that a reference names."""
    try:
        name, default = with_default(inside)
    except ValueError:
        return None
    found = OUTPUT.fullmatch(name)
    return Output(found[1], found[2], tuple(found[3].split(".")[1:]), default) if found else None
