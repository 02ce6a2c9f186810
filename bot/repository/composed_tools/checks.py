"""What is wrong between the parts of a composed tool. Pure.

Each problem has its path in the tool, so that a file can say its line.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

from bot.kernel.references import DEFAULT, WRONG_DEFAULT, Where, as_written, texts
from bot.repository.composed_tools import conditions, references
from bot.repository.composed_tools.definition import (
    TYPES,
    ComposedArgument,
    ComposedStep,
    ComposedTool,
)
from bot.repository.composed_tools.references import DEEPEST, Reference

Problem: TypeAlias = tuple[Where, str]

# References in one text.
MOST_REFERENCES = 20
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def problems(tool: ComposedTool) -> list[Problem]:
    """All of them. A tool without any can be called."""
    found = [*_of_arguments(tool), *_of_ids(tool)]
    for n, step in enumerate(tool.steps):
        found += [(("steps", str(n), *where), why) for where, why in _of_step(tool, step)]
    found += [(("result", *where), why) for where, why in _of_value(tool, None, tool.result)]
    return found or list(_of_circle(tool))


def _names(names: list[str]) -> str:
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "") or "none"


def _of_arguments(tool: ComposedTool) -> Iterator[Problem]:
    for name, each in tool.arguments.items():
        if each.default is not None and not _fits(each):
            yield ("arguments", name, "default"), f"must be of the type {each.type}"
        if each.default is not None and "required" in each.model_fields_set and each.required:
            yield ("arguments", name, "required"), "must be left out, because there is a default"


def _fits(argument: ComposedArgument) -> bool:
    kinds = KINDS[TYPES[argument.type]]
    is_bool = isinstance(argument.default, bool)
    return isinstance(argument.default, kinds) and is_bool is (kinds == (bool,))


def _of_ids(tool: ComposedTool) -> Iterator[Problem]:
    seen: set[str] = set()
    for n, step in enumerate(tool.steps):
        if step.id in seen:
            yield ("steps", str(n), "id"), f"is the id of an earlier step too: {step.id}"
        seen.add(step.id)


def _of_step(tool: ComposedTool, step: ComposedStep) -> Iterator[Problem]:
    known = [each.id for each in tool.steps]
    for n, need in enumerate(step.needs):
        if need not in known:
            yield ("needs", str(n)), f"names no step: {need}; the steps are {_names(known)}"
    for n, text in enumerate(step.conditions):
        found = conditions.read(text)
        if found is None:
            yield ("if", str(n)), f"is no condition; {conditions.ALLOWED}"
        elif why := _of_reference(tool, step, found.reference):
            yield ("if", str(n)), why
    for where, why in _of_value(tool, step, step.values):
        yield ("with", *where), why


def _of_value(tool: ComposedTool, step: ComposedStep | None, value: Any) -> Iterator[Problem]:
    for where, text in texts(value):
        if len(where) > DEEPEST:
            yield where, "is nested too deeply"
        found = list(as_written(text))
        if len(found) > MOST_REFERENCES:
            yield where, f"has more than {MOST_REFERENCES} references"
            continue
        for written, inside in found:
            if why := _of_text(tool, step, written, inside):
                yield where, why


def _of_text(
    tool: ComposedTool, step: ComposedStep | None, written: str, inside: str
) -> str | None:
    if not written.endswith("}}"):
        return "has ${{ without }} after it"
    reference = references.parse(inside)
    if reference is None:
        shown = " ".join(written.split())[:60]
        if DEFAULT in inside and references.parse(inside.partition(DEFAULT)[0]):
            return f"{shown}: what follows {DEFAULT} {WRONG_DEFAULT}"
        return f"{shown} is unknown; {references.ALLOWED}"
    return _of_reference(tool, step, reference)


def _of_reference(
    tool: ComposedTool, step: ComposedStep | None, reference: Reference
) -> str | None:
    if reference.of == "arguments":
        known = list(tool.arguments)
        missing = reference.name not in known
        return f"{reference} names no argument; there are {_names(known)}" if missing else None
    known = [each.id for each in tool.steps]
    if reference.name not in known:
        return f"{reference} names no step; the steps are {_names(known)}"
    if step is not None and reference.name == step.id:
        return f"{reference} is a value of the step itself"
    return None


# --- Order ---------------------------------------------------------------------------------------


def needed_by(step: ComposedStep) -> set[str]:
    """The steps that come before: those that it names, and those whose values it has."""
    found = [*references.references_in(step.values)]
    found += [each.reference for text in step.conditions if (each := conditions.read(text))]
    return {*step.needs, *(each.name for each in found if each.of == "steps")}


def required_by(step: ComposedStep) -> set[str]:
    """Those without which it is skipped. A default stands in for the values of others."""
    found = references.references_in(step.values)
    without = {each.name for each in found if each.of == "steps" and each.default is None}
    return {*step.needs, *without}


def _of_circle(tool: ComposedTool) -> Iterator[Problem]:
    """The first step that waits for itself, through others."""
    left = {each.id: needed_by(each) for each in tool.steps}
    while free := [each for each, needs in left.items() if not needs & left.keys()]:
        for each in free:
            del left[each]
    if left:
        n = next(n for n, step in enumerate(tool.steps) if step.id in left)
        yield ("steps", str(n)), f"waits for itself: {_names(list(left))} need each other"
