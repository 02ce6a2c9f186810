"""What a composed tool does next, from what its steps gave so far. Pure.

Steps that wait for nothing more are called side by side. The caller makes the calls, and comes
again with their outcomes, until nothing is left to call.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

from bot.repository.composed_tools import conditions
from bot.repository.composed_tools.checks import needed_by, required_by
from bot.repository.composed_tools.definition import ComposedStep, ComposedTool
from bot.repository.composed_tools.references import Missing, Reference, at_path, with_values

# Characters of the arguments of one call, and of the result of the whole.
LONGEST = 256 * 1024

AFTER_FAILURE = "a step before it failed"

Arguments: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """`result`: of a step that is ok. `why`: it is not."""

    state: Literal["ok", "failed", "skipped"]
    result: Any = None
    why: str = ""


Outcomes: TypeAlias = Mapping[str, Outcome]
Find: TypeAlias = Callable[[Reference], Any]


@dataclass(frozen=True)
class Call:
    """A call that can be made now."""

    step: str
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Next:
    """`decided`: steps that are over without a call. Nothing in both: the tool is over."""

    calls: list[Call] = field(default_factory=list)
    decided: dict[str, Outcome] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return not (self.calls or self.decided)


@dataclass(frozen=True)
class Final:
    """What the tool answers."""

    value: Any
    is_error: bool = False


def with_defaults(tool: ComposedTool, given: Arguments) -> dict[str, Any]:
    """The arguments with the defaults of those that are absent."""
    defaults = {name: each.default for name, each in tool.arguments.items()}
    return defaults | dict(given)


def advance(tool: ComposedTool, arguments: Arguments, outcomes: Outcomes) -> Next:
    """What is next. `outcomes`: of the steps that are over; steps under way are not asked again.

    The caller passes only steps that are over, and calls this when each call of the last time is.
    """
    made = Next()
    has_stopped = _failure_of(tool, outcomes) is not None
    find = partial(_find, arguments, outcomes)
    for step in tool.steps:
        if step.id in outcomes:
            continue
        if has_stopped:
            made.decided[step.id] = Outcome("skipped", why=AFTER_FAILURE)
        elif needed_by(step) <= outcomes.keys():
            found = _decide(step, outcomes, find)
            if isinstance(found, Call):
                made.calls.append(found)
            else:
                made.decided[step.id] = found
    return made


def _decide(step: ComposedStep, outcomes: Outcomes, find: Find) -> Call | Outcome:
    if not step.conditions:
        # Conditions decide themselves what a failure before means.
        for each in sorted(required_by(step)):
            if outcomes[each].state != "ok":
                return Outcome("skipped", why=f"{each} is {outcomes[each].state}")
    for text in step.conditions:
        condition = conditions.read(text)
        if condition is None or not conditions.holds(condition, find):
            return Outcome("skipped", why=f"{text} does not hold")
    try:
        return Call(step.id, step.call, with_values(step.values, _Bounded(find)))
    except Missing as exc:
        return Outcome("failed", why=str(exc))
    except TooLong:
        return Outcome("failed", why=f"its arguments have more than {LONGEST} characters")


def _find(arguments: Arguments, outcomes: Outcomes, reference: Reference) -> Any:
    """The value of a reference. Raise Missing."""
    if reference.of == "arguments":
        return at_path(arguments.get(reference.name), reference)
    outcome = outcomes.get(reference.name)
    if outcome is None:
        raise Missing(reference)
    if reference.part == "outcome":
        return outcome.state
    if outcome.state != "ok":
        raise Missing(reference)
    return at_path(outcome.result, reference)


def _failure_of(tool: ComposedTool, outcomes: Outcomes) -> str | None:
    """The first step whose failure ends the tool."""
    for step in tool.steps:
        outcome = outcomes.get(step.id)
        if outcome and outcome.state == "failed" and step.on_failure == "stop":
            return step.id
    return None


def final(tool: ComposedTool, arguments: Arguments, outcomes: Outcomes) -> Final:
    """What the tool answers when all its steps are over."""
    failed = _failure_of(tool, outcomes)
    done = [each for each, outcome in outcomes.items() if outcome.state == "ok"]
    if failed is not None:
        before = f" Steps that were done: {', '.join(done)}." if done else ""
        return Final(f"The step {failed} failed: {outcomes[failed].why}.{before}", is_error=True)
    if tool.result is None:
        value: Any = {each: f"${{{{ steps.{each}.result }}}}" for each in done}
    else:
        value = tool.result
    try:
        find = _Bounded(partial(_find_or_null, arguments, outcomes))
        return Final(with_values(value, find))
    except TooLong:
        text = f"The result has more than {LONGEST} characters. All steps were done."
        return Final(f"{text} Its `result` must name less.", is_error=True)


def _find_or_null(arguments: Arguments, outcomes: Outcomes, reference: Reference) -> Any:
    """A step that was skipped has no result, which is no reason to give none of the others."""
    try:
        return _find(arguments, outcomes, reference)
    except Missing:
        return None


class TooLong(Exception):
    """What is put together has too many characters."""


class _Bounded:
    """Finds values until they are too many together: a text may repeat a long one."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._left = LONGEST

    def __call__(self, reference: Reference) -> Any:
        found = self._find(reference)
        self._left -= len(json.dumps(found, ensure_ascii=False))
        if self._left < 0:
            raise TooLong
        return found
