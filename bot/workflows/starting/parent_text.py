"""The texts of the issue that a workflow makes for itself. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.kernel.sentences import code, shorten
from bot.workflows.definitions import input_values
from bot.workflows.definitions.definition import LONGEST_TITLE, Definition
from bot.workflows.definitions.expansion import ExpandedStep

# Characters of the title of a step, and of an input. Needs of a step that are named.
LONGEST_CELL, LONGEST_INPUT, MOST_NEEDS = 120, 200, 5


def title(name: str, definition: Definition, given: Mapping[str, Any], when: str = "") -> str:
    """The description with the first text that was given. `when`: of a scheduled start."""
    what = definition.description or name
    texts = (each for each in given.values() if isinstance(each, str))
    first = next(texts, "").strip()
    detail = when or (first.splitlines()[0] if first else "")
    return shorten(f"{what}: {detail}" if detail else what, LONGEST_TITLE)


def body(
    name: str, definition: Definition, values: Mapping[str, Any], steps: Sequence[ExpandedStep]
) -> str:
    parts = [definition.description] if definition.description else []
    parts.append(
        f"This is a workflow of {len(steps)} {'step' if len(steps) == 1 else 'steps'}, started "
        f"from {code(name)}. Each step is a sub-issue. When all have ended, this issue is closed."
    )
    if values:
        rows = [f"| {code(key)} | {_cell(_text(value))} |" for key, value in values.items()]
        parts.append("\n".join(["| input | value |", "|---|---|", *rows]))
    rows = [f"| {code(each.key)} | {_cell(each.title)} | {_needs(each)} |" for each in steps]
    parts.append("\n".join(["| step | what | waits for |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _text(value: Any) -> str:
    return shorten(input_values.as_text(value), LONGEST_INPUT)


def _cell(text: str) -> str:
    """One line of a table. HTML in it is text: the beginning of a comment would hide the rest."""
    line = shorten(" ".join(text.split()), LONGEST_CELL)
    return line.replace("|", "\\|").replace("<", "&lt;")


def _needs(step: ExpandedStep) -> str:
    more = len(step.needs) - MOST_NEEDS
    shown = [code(each) for each in step.needs[:MOST_NEEDS]]
    return ", ".join([*shown, f"{more} more"] if more > 0 else shown)
