"""What an edit does to the values of a definition."""

import copy
import re
from typing import Any, TypeAlias

from bot.workflows.editing.edits import (
    AddNeed,
    AddStep,
    AnyEdit,
    RemoveNeed,
    RemoveStep,
    RenameInput,
    RenameStep,
    SetArgument,
    SetInput,
    SetKey,
    SetTop,
)

Values: TypeAlias = dict[str, Any]


class CannotEdit(Exception):
    """The edit names something that is not there, or that is there already."""


def apply(values: Values, edit: AnyEdit) -> Values:
    """The values after the edit. Raise CannotEdit."""
    found = copy.deepcopy(values)
    match edit:
        case AddStep():
            _add_step(found, edit)
        case RemoveStep():
            _remove_step(found, edit)
        case RenameStep():
            _rename_step(found, edit)
        case SetKey():
            _set(steps_of(found)[place_of(found, edit.step)], edit.key, edit.value)
        case SetArgument():
            _set_argument(steps_of(found)[place_of(found, edit.step)], edit)
        case AddNeed() | RemoveNeed():
            _change_needs(found, edit)
        case SetTop():
            _set(found, edit.key, edit.value)
        case SetInput():
            _set_input(found, edit)
        case RenameInput():
            _rename_input(found, edit)
    return found


def steps_of(values: Values) -> list[Any]:
    """The steps, which may be anything while somebody types."""
    found = values.get("steps")
    return found if isinstance(found, list) else []


def place_of(values: Values, step: str | int) -> int:
    """The number of a step that has keys. Raise CannotEdit."""
    some = steps_of(values)
    if isinstance(step, int):
        if 0 <= step < len(some) and isinstance(some[step], dict):
            return step
    else:
        for n, each in enumerate(some):
            if isinstance(each, dict) and each.get("id") == step:
                return n
    raise CannotEdit(f"There is no step {step!r}.")


def ids_of(values: Values) -> set[Any]:
    return {each.get("id") for each in steps_of(values) if isinstance(each, dict)}


def needs_of(step: Values) -> list[Any]:
    """One need may stand without brackets."""
    found = step.get("needs")
    return found if isinstance(found, list) else [] if found is None else [found]


def arguments_of(step: Values) -> Values:
    found = step.get("arguments")
    return found if isinstance(found, dict) else {}


def compensation_of(step: Values) -> Any:
    found = step.get("on_failure")
    return found.get("compensate") if isinstance(found, dict) else None


def _set(values: Values, key: str, value: Any) -> None:
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value


def _set_argument(step: Values, edit: SetArgument) -> None:
    found = dict(arguments_of(step))
    if edit.value is None and edit.argument not in found:
        raise CannotEdit(f"There is no argument {edit.argument!r}.")
    _set(found, edit.argument, edit.value)
    _set(step, "arguments", found or None)


def _add_step(values: Values, edit: AddStep) -> None:
    name = edit.step.get("id")
    if not isinstance(name, str) or not name:
        raise CannotEdit("A new step must have an `id`.")
    if name in ids_of(values):
        raise CannotEdit(f"There is already a step {name!r}.")
    at = len(steps_of(values)) if edit.after is None else place_of(values, edit.after) + 1
    if not steps_of(values):
        values["steps"] = []
    values["steps"].insert(at, dict(edit.step))


def _remove_step(values: Values, edit: RemoveStep) -> None:
    removed = steps_of(values).pop(place_of(values, edit.step))
    for each in steps_of(values):
        if isinstance(each, dict) and removed.get("id") is not None:
            _drop_need(each, removed["id"])
            if compensation_of(each) == removed["id"]:
                del each["on_failure"]


def _drop_need(step: Values, need: str) -> None:
    if need in needs_of(step):
        kept = [each for each in needs_of(step) if each != need]
        _set(step, "needs", kept or None)


def _rename_step(values: Values, edit: RenameStep) -> None:
    renamed = steps_of(values)[place_of(values, edit.step)]
    old = renamed.get("id")
    if edit.to in ids_of(values) - {old}:
        raise CannotEdit(f"There is already a step {edit.to!r}.")
    renamed["id"] = edit.to
    for each in steps_of(values):
        if isinstance(each, dict) and old is not None:
            if old in needs_of(each):
                _rename_need(each, old, edit.to)
            if compensation_of(each) == old:
                each["on_failure"]["compensate"] = edit.to
    if isinstance(old, str):
        pattern = output_pattern(old)
        values["steps"] = [_with_new_name(each, pattern, edit.to) for each in steps_of(values)]


def output_pattern(step: str) -> re.Pattern[str]:
    """The name of a step where an argument of another one uses its outputs."""
    return re.compile(rf"(?<=steps\.){re.escape(step)}(?=\.outputs\.(?:(?!\$\{{\{{|}}}}).)*}}}})")


def _rename_need(step: Values, old: str, new: str) -> None:
    if isinstance(step["needs"], list):
        step["needs"] = [new if each == old else each for each in step["needs"]]
    else:
        step["needs"] = new


def _change_needs(values: Values, edit: AddNeed | RemoveNeed) -> None:
    step = steps_of(values)[place_of(values, edit.step)]
    is_there = edit.need in needs_of(step)
    if isinstance(edit, RemoveNeed):
        if not is_there:
            raise CannotEdit(f"The step does not need {edit.need!r}.")
        _drop_need(step, edit.need)
    elif is_there:
        raise CannotEdit(f"The step already needs {edit.need!r}.")
    elif edit.need not in ids_of(values):
        raise CannotEdit(f"There is no step {edit.need!r}.")
    else:
        step["needs"] = [*needs_of(step), edit.need]


def _set_input(values: Values, edit: SetInput) -> None:
    found = values.get("inputs")
    inputs = found if isinstance(found, dict) else {}
    if edit.value is None and edit.input not in inputs:
        raise CannotEdit(f"There is no input {edit.input!r}.")
    _set(inputs, edit.input, edit.value)
    _set(values, "inputs", inputs or None)


def _rename_input(values: Values, edit: RenameInput) -> None:
    inputs = values.get("inputs")
    if not isinstance(inputs, dict) or edit.input not in inputs:
        raise CannotEdit(f"There is no input {edit.input!r}.")
    if edit.to in inputs and edit.to != edit.input:
        raise CannotEdit(f"There is already an input {edit.to!r}.")
    values["inputs"] = {
        edit.to if name == edit.input else name: each for name, each in inputs.items()
    }
    pattern = input_pattern(edit.input)
    for n, each in enumerate(steps_of(values)):
        values["steps"][n] = _with_new_name(each, pattern, edit.to)
        if isinstance(each, dict) and each.get("each") == edit.input:
            values["steps"][n]["each"] = edit.to


def input_pattern(name: str) -> re.Pattern[str]:
    """The name of an input where a text uses it."""
    return re.compile(rf"(?<=inputs\.){re.escape(name)}(?=\s*}}}})")


def _with_new_name(value: Any, pattern: re.Pattern[str], new: str) -> Any:
    if isinstance(value, str):
        return pattern.sub(lambda _: new, value)
    if isinstance(value, list):
        return [_with_new_name(each, pattern, new) for each in value]
    if isinstance(value, dict):
        return {key: _with_new_name(each, pattern, new) for key, each in value.items()}
    return value
