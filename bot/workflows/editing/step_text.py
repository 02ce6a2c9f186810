"""Edits of steps in the text of a definition."""

from typing import Any

from bot.workflows.editing import edited_values, renaming, yaml_nodes, yaml_patch
from bot.workflows.editing.edited_values import Values
from bot.workflows.editing.edits import (
    AddNeed,
    AddStep,
    RemoveNeed,
    RemoveStep,
    RenameStep,
    SetArgument,
    SetKey,
)
from bot.workflows.editing.key_text import STEP, TOP, with_key
from bot.workflows.editing.yaml_nodes import Path


def with_step(text: str, values: Values, change: AddStep) -> str:
    some = edited_values.steps_of(values)
    if not some:
        return yaml_patch.set_key(text, (), "steps", [dict(change.step)], TOP)
    after = len(some) - 1 if change.after is None else edited_values.place_of(values, change.after)
    return yaml_patch.insert_item(text, ("steps",), after, dict(change.step))


def without_step(text: str, values: Values, change: RemoveStep) -> str:
    at = edited_values.place_of(values, change.step)
    name = edited_values.steps_of(values)[at].get("id")
    for n, each in enumerate(edited_values.steps_of(values)):
        if n == at or not isinstance(each, dict) or name is None:
            continue
        text = _without_need(text, n, each, name)
        if edited_values.compensation_of(each) == name:
            text = yaml_patch.remove_key(text, ("steps", n), "on_failure")
    if len(edited_values.steps_of(values)) == 1:
        return yaml_patch.replace_all(text, {("steps",): []})
    return yaml_patch.remove_item(text, ("steps",), at)


def _without_need(text: str, n: int, step: Values, need: str) -> str:
    needs = edited_values.needs_of(step)
    if need not in needs:
        return text
    if all(each == need for each in needs):
        return yaml_patch.remove_key(text, ("steps", n), "needs")
    for place in reversed([k for k, each in enumerate(needs) if each == need]):
        text = yaml_patch.remove_item(text, ("steps", n, "needs"), place)
    return text


def with_renamed_step(text: str, values: Values, change: RenameStep) -> str:
    at = edited_values.place_of(values, change.step)
    old = edited_values.steps_of(values)[at].get("id")
    if old is None:
        return yaml_patch.set_key(text, ("steps", at), "id", change.to, STEP)
    places: dict[Path, Any] = {("steps", at, "id"): change.to}
    for n, each in enumerate(edited_values.steps_of(values)):
        if not isinstance(each, dict):
            continue
        if isinstance(each.get("needs"), list):
            found = [k for k, need in enumerate(each["needs"]) if need == old]
            places |= {("steps", n, "needs", k): change.to for k in found}
        elif each.get("needs") == old:
            places["steps", n, "needs"] = change.to
        if edited_values.compensation_of(each) == old:
            places["steps", n, "on_failure", "compensate"] = change.to
    text = yaml_patch.replace_all(text, places)
    steps = yaml_nodes.find(yaml_nodes.compose(text), ("steps",))
    pattern = edited_values.output_pattern(old)
    return yaml_patch.with_cuts(text, renaming.cuts(text, steps, pattern, change.to))


def with_needs(text: str, values: Values, wanted: Values, change: AddNeed | RemoveNeed) -> str:
    n = edited_values.place_of(values, change.step)
    step, new = (
        edited_values.steps_of(values)[n],
        edited_values.needs_of(edited_values.steps_of(wanted)[n]),
    )
    if isinstance(change, RemoveNeed):
        return _without_need(text, n, step, change.need)
    if isinstance(step.get("needs"), list) and step["needs"]:
        last = len(step["needs"]) - 1
        return yaml_patch.insert_item(text, ("steps", n, "needs"), last, change.need)
    return yaml_patch.set_key(text, ("steps", n), "needs", new, STEP)


def with_step_key(text: str, values: Values, change: SetKey) -> str:
    at = ("steps", edited_values.place_of(values, change.step))
    return with_key(text, values, at, change.key, change.value, STEP)


def with_argument(text: str, values: Values, change: SetArgument) -> str:
    at = ("steps", edited_values.place_of(values, change.step))
    found = edited_values.arguments_of(edited_values.steps_of(values)[at[1]])
    if not found:
        return yaml_patch.set_key(text, at, "arguments", {change.argument: change.value}, STEP)
    if change.value is None and len(found) == 1:
        return yaml_patch.remove_key(text, at, "arguments")
    return with_key(text, values, (*at, "arguments"), change.argument, change.value, ())
