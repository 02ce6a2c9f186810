"""Which steps of a new workflow begin on hold, and why. Pure.

GitHub's relations keep a step that waits for plain `needs`. These are the steps that they do not
keep: gates, steps that a tool does, those that run only under a condition, and those for which
there is no place.
"""

from collections.abc import Mapping, Sequence

from bot.kernel.sentences import code
from bot.workflows.definitions.definition import LABEL, Definition, Step
from bot.workflows.definitions.expansion import ExpandedStep
from bot.workflows.execution import hold_texts
from bot.workflows.gates import gates


def of(definition: Definition, steps: Sequence[ExpandedStep]) -> dict[str, str]:
    """The reasons by key. Each begins with `waits for`, as all holds by workflows do."""
    undone_by = _undone_by(definition)
    held = {each.key: why for each in steps if (why := _why(each.step, undone_by))}
    places = definition.parallel
    for each in steps:
        if each.needs or each.key in held:
            continue
        if places:
            places -= 1
        else:
            held[each.key] = hold_texts.no_place(definition.parallel)
    return held


def _undone_by(definition: Definition) -> Mapping[str, list[str]]:
    """By the step that undoes: the steps after whose failure it runs."""
    found: dict[str, list[str]] = {}
    for each in definition.steps:
        if each.compensation:
            found.setdefault(each.compensation, []).append(each.id)
    return found


def _why(step: Step, undone_by: Mapping[str, list[str]]) -> str | None:
    if step.id in undone_by:
        failing = " or ".join(map(code, undone_by[step.id]))
        return f"waits for {failing} to fail: this step runs only then"
    if step.approve is not None:
        return gates.hold_reason(step.approve)
    if step.tool is not None:
        return hold_texts.before_call(step.tool)
    if step.condition == "failure":
        return "waits for a failure of a step before it: it runs only then"
    if step.condition.startswith(LABEL):
        label = code(step.condition.removeprefix(LABEL))
        return f"waits for its turn: it runs only if the parent issue has the label {label}"
    return None
