"""Makes the steps of one workflow from its definition and the values of its inputs. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.errors import Refused
from bot.kernel.references import in_text
from bot.workflows.definitions import input_values, references, tool_values
from bot.workflows.definitions.definition import (
    LONGEST_BODY,
    LONGEST_TITLE,
    MOST_NEEDS,
    MOST_STEPS,
    Definition,
    InputValue,
    Step,
)


@dataclass(frozen=True)
class ExpandedStep:
    """One task to make. `key` is the step's id, with a number for each entry of `each`."""

    key: str
    step: Step
    title: str
    body: str
    needs: tuple[str, ...] = ()
    item: str | None = None
    # What its tool gets, if it has one.
    arguments: Mapping[str, Any] = field(default_factory=dict)


def expand(definition: Definition, inputs: Mapping[str, Any]) -> list[ExpandedStep]:
    """The steps in the order of the file. Raise Refused."""
    values = input_values.complete(definition, inputs)
    keys = {step.id: [key for key, _ in _items(step, values)] for step in definition.steps}
    if (total := sum(map(len, keys.values()))) > MOST_STEPS:
        raise _refusal(f"the workflow would have {total} steps; the limit is {MOST_STEPS}")
    return [
        _task_of(step, key, item, keys, values)
        for step in definition.steps
        for key, item in _items(step, values)
    ]


def _items(step: Step, values: Mapping[str, InputValue]) -> Iterator[tuple[str, str | None]]:
    if step.each is None:
        yield step.id, None
        return
    entries = values[step.each]
    assert isinstance(entries, list)
    for n, each in enumerate(entries, 1):
        yield f"{step.id}-{n}", each


def _task_of(
    step: Step,
    key: str,
    item: str | None,
    keys: Mapping[str, list[str]],
    values: Mapping[str, InputValue],
) -> ExpandedStep:
    needs = tuple(each for need in step.needs for each in keys[need])
    if len(needs) > MOST_NEEDS:
        raise _refusal(f"step {key} would need {len(needs)} others; the limit is {MOST_NEEDS}")
    return ExpandedStep(
        key=key,
        step=step,
        title=_title(step, key, item, values),
        body=_body(step, key, item, values),
        needs=needs,
        item=item,
        arguments=_arguments(step, key, item, values),
    )


def _title(step: Step, key: str, item: str | None, values: Mapping[str, InputValue]) -> str:
    found = _with_values(step.title, item, values).strip()
    if len(found.splitlines()) != 1:
        raise _refusal(f"the title of step {key} would have several lines; shorten the input")
    return _within(found, f"the title of step {key}", LONGEST_TITLE)


def _body(step: Step, key: str, item: str | None, values: Mapping[str, InputValue]) -> str:
    found = _with_values(step.body, item, values)
    return _within(found, f"the body of step {key}", LONGEST_BODY)


def _arguments(
    step: Step, key: str, item: str | None, values: Mapping[str, InputValue]
) -> Mapping[str, Any]:
    if not step.arguments:
        return {}

    def find(inside: str) -> InputValue:
        return _value(inside, item, values)

    found: dict[str, Any] = tool_values.with_values(step.arguments, find, input_values.as_text)
    if (size := tool_values.size(found)) > tool_values.LONGEST:
        what, most = f"the arguments of step {key}", tool_values.LONGEST
        raise _refusal(f"{what} would have {size} characters; the limit is {most}")
    return found


def _with_values(text: str, item: str | None, values: Mapping[str, InputValue]) -> str:
    return in_text(text, lambda inside: input_values.as_text(_value(inside, item, values)))


def _value(inside: str, item: str | None, values: Mapping[str, InputValue]) -> InputValue:
    if inside == references.ITEM:
        assert item is not None
        return item
    name = references.input_name(inside)
    assert name is not None
    return values[name]


def _within(text: str, what: str, longest: int) -> str:
    if len(text) > longest:
        raise _refusal(f"{what} would have {len(text)} characters; the limit is {longest}")
    return text


def _refusal(why: str) -> Refused:
    return Refused("invalid_arguments", f"inputs: {why}.")
