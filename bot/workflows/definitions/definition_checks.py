"""What is wrong between the steps of a definition: names, circles, keys that exclude each other.

Pure. Each problem has its path in the definition, so that a file can say its line.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice, pairwise
from typing import Any, TypeAlias

from pydantic import ValidationError

from bot.kernel.references import DEFAULT, OPENING, WRONG_DEFAULT, as_written, texts
from bot.tasks import plans
from bot.workflows.definitions import input_values, references, tool_values
from bot.workflows.definitions.definition import MOST_NEEDS, Definition, Step

Where: TypeAlias = tuple[str, ...]
Problem: TypeAlias = tuple[Where, str]

NOT_OF_A_GATE = ("outputs", "role", "capability", "agent", "template", "size", "retry")
NOT_OF_A_TOOL = ("approve", "role", "capability", "agent", "template", "size")
NOT_OF_A_COMPENSATION = ("needs", "if", "each", "approve")
TEXTS = ("title", "body")
# Names that a problem lists.
MOST_NAMES = 10
# References in one text. A longer text is no task.
MOST_REFERENCES = 100


def problems(definition: Definition) -> list[Problem]:
    """All of them. A definition without any can be started."""
    return [
        *_of_inputs(definition),
        *_of_schedule(definition),
        *_of_ids(definition),
        *(
            each
            for n, step in enumerate(definition.steps)
            for each in _of_step(definition, n, step)
        ),
        *_of_needed(definition),
        *_of_compensations(definition),
        *_of_circle(definition),
    ]


def problems_of_names(given: Any) -> list[Problem]:
    """Wrong names of steps, and circles, in a file in which other keys are wrong.

    They depend on nothing but the ids. Nothing is known if one of these is wrong.
    """
    steps = given.get("steps")
    if not isinstance(steps, list) or not all(isinstance(each, dict) for each in steps):
        return []
    try:
        found = Definition(steps=[_with_names(each) for each in steps])
    except ValidationError:
        return []
    return [each for each in problems(found) if each[0][2:3] in (("needs",), ("on_failure",))]


def _with_names(given: dict[str, Any]) -> Step:
    """The step with its id, and with those keys with names of steps that are valid."""
    plain = {"id": given.get("id"), "title": "A step", "body": "Work."}
    for key in ("needs", "on_failure"):
        try:
            plain = Step.model_validate(plain | {key: given[key]}).model_dump(exclude_unset=True)
        except (KeyError, ValidationError):
            continue
    return Step.model_validate(plain)


def _names(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more or "none"


# --- Inputs --------------------------------------------------------------------------------------


def _of_inputs(definition: Definition) -> Iterator[Problem]:
    for name, given in definition.inputs.items():
        where = ("inputs", name)
        if given.default is None and given.required is False:
            yield where, "needs a default, because it is not required"
        if given.default is not None and given.required:
            yield (*where, "required"), "must be left out, because there is a default"
        if given.default is not None and (why := input_values.problem(given, given.default)):
            yield (*where, "default"), why


def _of_schedule(definition: Definition) -> Iterator[Problem]:
    missing = [name for name, each in definition.inputs.items() if each.is_required]
    if definition.schedule and missing:
        yield ("schedule",), f"needs a default for each input; without: {_names(missing)}"


# --- One step ------------------------------------------------------------------------------------


def _of_ids(definition: Definition) -> Iterator[Problem]:
    first: dict[str, int] = {}
    lists = [each.id for each in definition.steps if each.each]
    for n, step in enumerate(definition.steps):
        if step.id in first:
            yield ("steps", str(n), "id"), f"is the id of an earlier step too: {step.id}"
        first.setdefault(step.id, n)
        for each in lists:
            if re.fullmatch(rf"{re.escape(each)}-[0-9]+", step.id):
                yield ("steps", str(n), "id"), f"is also the name of a task of step {each}"


def _of_step(definition: Definition, n: int, step: Step) -> Iterator[Problem]:
    where = ("steps", str(n))
    for part, why in (
        *_of_needs(definition, step),
        *_of_keys(step),
        *_of_each(definition, step),
        *_of_texts(definition, step),
        *_of_gate(step),
        *_of_tool(definition, step),
    ):
        yield (*where, *part), why


def _of_needs(definition: Definition, step: Step) -> Iterator[Problem]:
    known = [each.id for each in definition.steps]
    for n, need in enumerate(step.needs):
        if need not in known:
            yield ("needs", str(n)), f"names no step: {need}; the steps are {_names(known)}"


def _of_keys(step: Step) -> Iterator[Problem]:
    given = step.model_fields_set
    if step.approve is None and step.tool is None and not step.body.strip():
        yield ((), "has no body; say what to do")
    if step.approve is not None:
        for key in (each for each in NOT_OF_A_GATE if each in given):
            yield (key,), "is not for a gate, because nobody works on it"
    elif step.tool is not None:
        for key in (each for each in NOT_OF_A_TOOL if each in given):
            yield (key,), "is not for a step with tool, because no agent works on it"
    if step.agent and step.template:
        yield ("template",), "cannot stand with agent; use one of them"


def _of_each(definition: Definition, step: Step) -> Iterator[Problem]:
    if step.each is None:
        return
    given = definition.inputs.get(step.each)
    if given is None:
        yield ("each",), f"names no input; the inputs are {_names([*definition.inputs])}"
    elif given.type != "list":
        yield ("each",), f"needs an input with type: list; {step.each} is a {given.type}"


def _of_texts(definition: Definition, step: Step) -> Iterator[Problem]:
    for key in TEXTS:
        found = list(islice(as_written(getattr(step, key)), MOST_REFERENCES + 1))
        if len(found) > MOST_REFERENCES:
            yield (key,), f"has more than {MOST_REFERENCES} references"
        for written, inside in found[:MOST_REFERENCES]:
            if why := _of_reference(definition, step, written, inside):
                yield (key, written), why
    for key in ("labels", "condition"):
        if OPENING in str(getattr(step, key)):
            yield ("if" if key == "condition" else key,), "takes no ${{ }}"


def _of_reference(
    definition: Definition, step: Step, written: str, inside: str, *, in_arguments: bool = False
) -> str | None:
    shown = " ".join(written.split())[:60]
    if not written.endswith("}}"):
        return "has ${{ without }} after it"
    if inside == references.ITEM:
        return None if step.each else f"{shown} needs each in this step"
    if (name := references.input_name(inside)) is None:
        return f"{shown} {_why_unknown(definition, step, inside, in_arguments=in_arguments)}"
    known = [*definition.inputs]
    return None if name in known else f"{shown} names no input; the inputs are {_names(known)}"


def _why_unknown(definition: Definition, step: Step, inside: str, *, in_arguments: bool) -> str:
    """Why nothing is known by this reference, with what may stand at its place."""
    name, sign, _ = inside.partition(DEFAULT)
    if references.output(name.strip()) is not None:
        if in_arguments:
            return f"is not right: what follows {DEFAULT} {WRONG_DEFAULT}"
        return "is only for arguments; whoever does the step reads the outputs of those before it"
    if sign and (references.input_name(name.strip()) or name.strip() == references.ITEM):
        return f"takes no {DEFAULT}; give the input a default"
    allowed = ["${{ inputs.NAME }}"] if definition.inputs else []
    allowed += ["${{ item }}"] if step.each else []
    if in_arguments:
        allowed.append("${{ steps.ID.outputs.NAME }} of a step that this one needs")
    return f"is unknown; here may stand {' or '.join(allowed) or 'no reference: it has no inputs'}"


def _of_gate(step: Step) -> Iterator[Problem]:
    gate = step.approve
    if gate is None:
        return
    if gate.capability and gate.by != "agents":
        yield ("approve", "capability"), "is only for by: agents"
    if not isinstance(gate.by, list):
        return
    # GitHub ignores the case of logins.
    times = Counter(each.removeprefix("@").casefold() for each in gate.by)
    yield from ((("approve", "by"), f"names {each} twice") for each in times if times[each] > 1)
    if gate.quorum > len(times):
        yield ("approve", "quorum"), f"is more than the {len(times)} who may approve"


def _of_tool(definition: Definition, step: Step) -> Iterator[Problem]:
    if step.tool is None:
        if "arguments" in step.model_fields_set:
            yield ("arguments",), "is only for a step with tool"
        return
    if step.approve is not None:
        yield ("tool",), "is not for a gate; let a step of its own call the tool"
    for name in (each for each in step.outputs if each in tool_values.MARKS):
        yield ("outputs", str(step.outputs.index(name))), f"Hubbub itself gives {name} here"
    if tool_values.size(step.arguments) > tool_values.LONGEST:
        yield ("arguments",), f"has more than {tool_values.LONGEST} characters"
        return
    yield from _of_arguments(definition, step)


def _of_arguments(definition: Definition, step: Step) -> Iterator[Problem]:
    for where, text in texts(step.arguments):
        at = ("arguments", *where)
        if any(OPENING in each for each in where):
            yield ("arguments",), "has a name with ${{, which names cannot have"
        if len(where) > tool_values.DEEPEST:
            yield at, "is nested too deeply"
        found = list(islice(as_written(text), MOST_REFERENCES + 1))
        if len(found) > MOST_REFERENCES:
            yield at, f"has more than {MOST_REFERENCES} references"
        for written, inside in found[:MOST_REFERENCES]:
            named = references.output(inside) if written.endswith("}}") else None
            if named is not None:
                why = _of_output(definition, step, named)
            else:
                why = _of_reference(definition, step, written, inside, in_arguments=True)
            if why:
                yield at, why


def _of_output(definition: Definition, step: Step, named: references.Output) -> str | None:
    """Why the step cannot have this output of another one."""
    by_id = {each.id: each for each in definition.steps}
    other = by_id.get(named.step)
    if other is None:
        return f"{named} names no step; the steps are {_names([*by_id])}"
    if named.step not in _all_needs(by_id, step):
        return f"{named} is of a step that this one does not need; add {named.step} to needs"
    if other.each:
        return f"{named} is of a step with each, which has outputs for each entry"
    known = other.outputs or (["result"] if other.tool else [])
    if named.name in known:
        return None
    return f"{named} names no output of {named.step}; its outputs are {_names(known)}"


def _all_needs(by_id: Mapping[str, Step], step: Step) -> set[str]:
    """What the step needs, directly or through others."""
    found: set[str] = set()
    left = [*step.needs]
    while left:
        each = left.pop()
        if each not in found and each in by_id:
            found.add(each)
            left += by_id[each].needs
    return found


# --- Between steps -------------------------------------------------------------------------------


def _of_needed(definition: Definition) -> Iterator[Problem]:
    """Steps whose issue would block more issues than GitHub allows."""
    needed = Counter(need for each in definition.steps for need in each.needs)
    for n, step in enumerate(definition.steps):
        if (most := needed[step.id]) > MOST_NEEDS:
            why = f"is needed by {most} steps, and GitHub lets an issue block {MOST_NEEDS}"
            yield ("steps", str(n), "id"), f"{why}; put a step between"


def _of_compensations(definition: Definition) -> Iterator[Problem]:
    by_id = {each.id: each for each in definition.steps}
    targets = definition.compensations
    for n, step in enumerate(definition.steps):
        where = ("steps", str(n))
        if step.compensation and step.compensation not in by_id:
            known = _names([*by_id])
            why = f"names no step: {step.compensation}; the steps are {known}"
            yield (*where, "on_failure", "compensate"), why
        for need in {*step.needs} & targets:
            why = f"names {need}, which runs only after a failure"
            yield (*where, "needs", str(step.needs.index(need))), why
        if step.id in targets:
            yield from ((where + part, why) for part, why in _of_compensation(step))


def _of_compensation(step: Step) -> Iterator[Problem]:
    """Of a step that another one names in `compensate`."""
    given = {("if" if key == "condition" else key) for key in step.model_fields_set}
    for key in (each for each in NOT_OF_A_COMPENSATION if each in given):
        yield (key,), "is not for a step that compensates; it runs after the failure"
    if step.compensation:
        yield ("on_failure",), "cannot compensate a step that compensates itself"


def _of_circle(definition: Definition) -> Iterator[Problem]:
    known = Counter(each.id for each in definition.steps)
    edges = {(each.id, need) for each in definition.steps for need in each.needs if need in known}
    path = plans.cycle(edges, [each.id for each in definition.steps])
    if path:
        n = next(n for n, each in enumerate(definition.steps) if each.id == path[0])
        waits = [f"{a} needs {b}" for a, b in pairwise(path)]
        yield ("steps", str(n), "needs"), f"is a circle: {_first_and_last(waits)}"


def _first_and_last(waits: list[str]) -> str:
    left_out = len(waits) - MOST_NAMES
    shown = waits if left_out <= 0 else [*waits[: MOST_NAMES - 1], f"{left_out} more", waits[-1]]
    return ", ".join(shown)
