"""Which steps of a new workflow begin on hold, and why. Pure.

GitHub's relations keep a step that waits for plain `needs`. These are the steps that they do not
keep: gates, steps that run only under a condition, and those for which there is no place.
"""

from collections.abc import Mapping, Sequence

from bot.kernel.sentences import code
from bot.workflows.definition import Definition, Step
from bot.workflows.expansion import ExpandedStep

LABEL = "label:"
# How many names a sentence has.
MOST_NAMED = 5


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
            held[each.key] = no_place(definition.parallel)
    return held


def no_place(most: int) -> str:
    steps = "1 step" if most == 1 else f"{most} steps"
    are = "is" if most == 1 else "are"
    return f"waits for a place: at most {steps} of this workflow {are} open at once"


def _undone_by(definition: Definition) -> Mapping[str, list[str]]:
    """By the step that undoes: the steps after whose failure it runs."""
    found: dict[str, list[str]] = {}
    for each in definition.steps:
        if each.compensation:
            found.setdefault(each.compensation, []).append(each.id)
    return found


def _why(step: Step, undone_by: Mapping[str, list[str]]) -> str | None:
    if step.id in undone_by:
        failing = _some(undone_by[step.id], " or ")
        return f"waits for {failing} to fail: this step runs only then"
    if step.approve is not None:
        return f"waits for an approval by {approvers(step)}"
    if step.condition == "failure":
        return "waits for a failure of a step before it: it runs only then"
    if step.condition.startswith(LABEL):
        label = code(step.condition.removeprefix(LABEL))
        return f"waits for its turn: it runs only if the parent issue has the label {label}"
    return None


def approvers(step: Step) -> str:
    """Who approves the gate, in words."""
    gate = step.approve
    if gate is None:
        return ""
    by = gate.by
    who = by if isinstance(by, str) else _some([f"@{each}" for each in by], " or ")
    able = f" with {_some(gate.capability, ' and ')}" if gate.capability else ""
    return f"{gate.quorum} {who}{able}" if gate.quorum > 1 else f"{who}{able}"


def _some(names: Sequence[str], last: str) -> str:
    shown = [code(each) for each in names[:MOST_NAMED]]
    more = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    parts = [*shown, *more]
    return last.join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
