"""The steps of a plan that an agent proposes: those of a workflow file, without inputs. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bot.errors import Refused
from bot.kernel import argument_errors
from bot.workflows.definitions import definition_checks
from bot.workflows.definitions.definition import Definition
from bot.workflows.definitions.definition_checks import Problem

# Of the workflow that a plan becomes.
NAME = "plan"
MOST_SHOWN = 5


def parse(steps: Sequence[Mapping[str, Any]]) -> Definition:
    """Raise Refused, with the step of each problem."""
    given = {"steps": list(steps)}
    try:
        found = Definition.model_validate(given)
    except ValidationError as exc:
        problems = argument_errors.problems(exc, given, Definition)
        raise _error(
            given, {tuple(place.split(".")): why for place, why in problems.items()}
        ) from exc
    wrong = [*definition_checks.problems(found), *_tools(found)]
    if wrong:
        raise _error(given, dict(wrong))
    return found


def _tools(plan: Definition) -> Iterator[Problem]:
    """A tool would be called without the agents that the plan divides its work among."""
    for n, each in enumerate(plan.steps):
        if each.tool is not None:
            why = "is not for a plan; the agent that works on the step calls the tool itself"
            yield ("steps", str(n), "tool"), why


def _error(given: Mapping[str, Any], problems: Mapping[tuple[str, ...], str]) -> Refused:
    named = {_name(given, place): _reason(why) for place, why in problems.items()}
    shown = [f"{place} {why}" for place, why in list(named.items())[:MOST_SHOWN]]
    return Refused(
        "invalid_arguments",
        f"{'; '.join(shown)}. Nothing was changed.",
        errors=[{"argument": place, "problem": why} for place, why in named.items()],
    )


def _reason(why: str) -> str:
    """What is wrong, with the keys as steps have them."""
    return re.sub(r"\bsteps\.\d+ has id,", "a step has id,", why).replace("condition?", "if?")


def _name(given: Mapping[str, Any], place: tuple[str, ...]) -> str:
    """`step build: needs`, with the id of the step, or its number if it has none."""
    if len(place) < 2 or place[0] != "steps" or not place[1].isdecimal():
        return ".".join(place)
    step = given["steps"][int(place[1])]
    step_id = step.get("id") if isinstance(step, Mapping) else None
    which = step_id[:60] if isinstance(step_id, str) and step_id else f"number {int(place[1]) + 1}"
    key = ".".join(place[2:3] if place[2:3] and place[2] in definition_checks.TEXTS else place[2:4])
    return f"step {which}: {key}" if key else f"step {which}"
