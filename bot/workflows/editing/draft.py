"""A definition while somebody edits it: what can be drawn of it, and each problem at its step."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bot.kernel.yaml_file import Lines, Unreadable, Where
from bot.workflows.definitions import definition_file
from bot.workflows.editing import draft_file, edited_values, editing
from bot.workflows.editing.edited_values import Values
from bot.workflows.editing.edits import AnyEdit

Kind: TypeAlias = Literal["step", "gate", "tool", "compensation"]
# What a problem of a file looks like: its line, the keys that lead to it, and the words.
PROBLEM = re.compile(r"line (\d+): (?:([^\s:]+): )?(.*)", re.DOTALL)
# How much is shown of a text that should be short.
LONGEST = 300


@dataclass(frozen=True)
class Problem:
    """`step`: the place of the step that it is about. `line`: 0 if it is about the whole file."""

    line: int
    step: int | None
    where: str
    text: str


@dataclass(frozen=True)
class DraftStep:
    """A step as far as it can be understood. `values`: its keys as they stand in the file."""

    place: int
    line: int
    id: str
    title: str
    kind: Kind
    needs: list[str] = field(default_factory=list)
    condition: str = "success"
    each: str = ""
    compensation: str = ""
    values: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """`readable`: it is YAML. `top`: the keys of the file without its steps."""

    text: str
    problems: list[Problem]
    readable: bool
    top: Values
    steps: list[DraftStep]


def look(text: str, changes: Sequence[AnyEdit] = ()) -> Draft:
    """The draft after the edits. Raise CannotEdit, or Unreadable for edits of what is no YAML."""
    for each in changes:
        text = editing.edit(text, each)
    try:
        values, lines = draft_file.read_with_lines(text)
    except Unreadable as exc:
        return Draft(text, [_problem(each, {}) for each in exc.problems], False, {}, [])
    problems = [_problem(each, lines) for each in problems_of(text)]
    top = {key: each for key, each in values.items() if key != "steps"}
    return Draft(text, problems, True, top, _steps(values, lines))


def problems_of(text: str) -> tuple[str, ...]:
    try:
        definition_file.parse(text.encode(errors="replace"))
    except Unreadable as exc:
        return exc.problems
    return ()


def _problem(said: str, lines: Lines) -> Problem:
    found = PROBLEM.fullmatch(said)
    if found is None:
        return Problem(0, None, "", said)
    line, where, text = int(found[1]), found[2] or "", found[3]
    return Problem(line, _step_at(line, where, lines), where, text)


def _step_at(line: int, where: str, lines: Lines) -> int | None:
    """The last step that begins before the line."""
    if not where.startswith("steps."):
        return None
    starts = sorted((at, int(path[1])) for path, at in lines.items() if _is_step(path))
    before = [place for at, place in starts if at <= line]
    return before[-1] if before else None


def _is_step(path: Where) -> bool:
    return len(path) == 2 and path[0] == "steps"


def _steps(values: Values, lines: Lines) -> list[DraftStep]:
    some = edited_values.steps_of(values)
    undoing = {edited_values.compensation_of(each) for each in some if isinstance(each, dict)}
    return [
        _step(n, lines.get(("steps", str(n)), 0), each if isinstance(each, dict) else {}, undoing)
        for n, each in enumerate(some)
    ]


def _step(place: int, line: int, values: Values, undoing: set[Any]) -> DraftStep:
    name = _short(values.get("id"))
    is_undoing = bool(name) and name in undoing
    return DraftStep(
        place=place,
        line=line,
        id=name,
        title=_short(values.get("title")),
        kind=_kind(values, is_undoing=is_undoing),
        needs=[_short(each) for each in edited_values.needs_of(values)],
        condition=_short(values.get("if")) or "success",
        each=_short(values.get("each")),
        compensation=_short(edited_values.compensation_of(values)),
        values=values,
    )


def _kind(values: Values, *, is_undoing: bool) -> Kind:
    if "approve" in values:
        return "gate"
    if is_undoing:
        return "compensation"
    return "tool" if "tool" in values else "step"


def _short(value: Any) -> str:
    return "" if value is None or isinstance(value, list | dict) else str(value)[:LONGEST]
