"""Reads a workflow file: the definition, or each problem with its line."""

from typing import Any

from pydantic import BaseModel, ValidationError

from bot.kernel import yaml_file
from bot.kernel.yaml_file import ANY, Found, Lines, Rules, Unreadable, Where, matches_any
from bot.workflows.definitions import definition_checks, tool_values
from bot.workflows.definitions.definition import GROUPS, MOST_STEPS, Definition

RULES = Rules(
    example="steps: [{id: build, title: Build it, body: Make it work}]",
    longest=256 * 1024,
    entries=10_000,
    # Below `steps`, the number of a step and `arguments`.
    depth=3 + tool_values.DEEPEST,
    prose=(
        ("steps", ANY, "body"),
        ("inputs", ANY, "default"),
        *(("steps", ANY, "arguments", *[ANY] * n) for n in range(1, tool_values.DEEPEST + 1)),
    ),
    in_prose="\n\t",
    lists={("steps",): MOST_STEPS},
)
# How far below its key a text is searched for what is wrong in it.
MOST_LINES = 2_000
# How many problems get a line, of which the first in the file are shown.
MOST_LOCATED = 200


def parse(data: bytes) -> Definition:
    """Raise Unreadable."""
    return parse_with_lines(data)[0]


def parse_with_lines(data: bytes) -> tuple[Definition, Lines]:
    """The definition, and the line of each key in the file. Raise Unreadable."""
    given, lines = yaml_file.read(data, RULES)
    source = data.decode().splitlines()
    try:
        found = Definition.model_validate(given)
    except ValidationError as exc:
        wrong = [_of_model(each, given) for each in yaml_file.problems_of(exc, lines, _group_at)]
        wrong += [
            _with_line(lines, given, source, *each)
            for each in definition_checks.problems_of_names(given)[:MOST_LOCATED]
        ]
        raise yaml_file.unreadable(wrong) from exc
    problems = definition_checks.problems(found)
    if problems:
        first = problems[:MOST_LOCATED]
        raise yaml_file.unreadable(_with_line(lines, given, source, *each) for each in first)
    return found, lines


def problems_of_stored(exc: ValidationError, given: Any) -> list[str]:
    """What is wrong with a definition that has no file any more, as it was read from one."""
    wrong = [_of_model(each, given) for each in yaml_file.problems_of(exc, {(): 0}, _group_at)]
    return [f"{'.'.join(where)}: {reason}" for _, where, reason in sorted(set(wrong))]


def too_long(size: int) -> Unreadable:
    return yaml_file.too_long(size, RULES)


def _group_at(where: Where) -> type[BaseModel]:
    return next(group for pattern, group in GROUPS.items() if matches_any([pattern], where))


def _of_model(problem: Found, given: Any) -> Found:
    line, where, reason = problem
    return line, _path_by_id(where, given), reason


def _with_line(lines: Lines, given: Any, source: list[str], where: Where, reason: str) -> Found:
    line = yaml_file.nearest_line(lines, where)
    # The last part of a problem in a text is what stands there, which may be some lines below.
    if where not in lines and len(where) == 4 and where[2] in definition_checks.TEXTS:
        line, where = _line_with(where[3], line, source), where[:3]
    return line, _path_by_id(where, given), reason


def _line_with(written: str, first: int, source: list[str]) -> int:
    start = written.splitlines()[0]
    last = min(len(source), first + MOST_LINES)
    below = (n for n in range(first, last + 1) if start in source[n - 1])
    return next(below, first)


def _path_by_id(where: Where, given: Any) -> Where:
    """The path with the id of the step, if it has one, in place of its number."""
    if len(where) < 2 or where[0] != "steps":
        return where
    step = given["steps"][int(where[1])]
    step_id = step.get("id") if isinstance(step, dict) else None
    return ("steps", step_id if isinstance(step_id, str) else where[1], *where[2:])
