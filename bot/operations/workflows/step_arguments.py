"""The arguments of a step's tool, with the outputs of other steps as they are at the call. Pure."""

from collections.abc import Mapping
from typing import Any

from bot.errors import Refused
from bot.kernel.references import NoValue, at_path
from bot.workflows.definitions import tool_values
from bot.workflows.definitions.references import Output
from store.tables.workflows import StepState

# The end of a step that gives nothing, in words. One that is done again has its old outputs still.
WITHOUT: Mapping[str, str] = {
    "skipped": "was skipped",
    "failed": "failed",
    "cancelled": "was cancelled",
    "removed": "was taken out of the workflow",
}


def with_outputs(
    given: Mapping[str, Any],
    outputs: Mapping[str, Mapping[str, Any]],
    states: Mapping[str, StepState],
) -> dict[str, Any]:
    """What the tool gets. Raise Refused if a value is not there, or all together are too long."""
    left = tool_values.LONGEST_AT_CALL

    def find(named: Output) -> Any:
        nonlocal left
        value = _value(named, outputs, states)
        left -= tool_values.size(value)
        if left < 0:
            # A text may repeat a long value very often.
            raise _too_long()
        return value

    found: dict[str, Any] = tool_values.with_outputs(given, find)
    if tool_values.size(found) > tool_values.LONGEST_AT_CALL:
        raise _too_long()
    return found


def _too_long() -> Refused:
    return Refused(
        "invalid_arguments",
        f"the arguments have more than {tool_values.LONGEST_AT_CALL} characters with the outputs "
        "of other steps, and the tool was not called",
    )


def _value(
    named: Output,
    outputs: Mapping[str, Mapping[str, Any]],
    states: Mapping[str, StepState],
) -> Any:
    state = states.get(named.step, "removed")
    value = outputs.get(named.step, {}).get(named.name) if state == "completed" else None
    try:
        found = at_path(value, named.path)
    except NoValue:
        found = None
    if found is None and named.default is None:
        raise _no_value(named, state, is_given=value is not None)
    return named.default.value if found is None and named.default else found


def _no_value(named: Output, state: StepState, *, is_given: bool) -> Refused:
    if is_given:
        why = f"{named.step} gave no such part"
    elif state == "completed":
        why = f"{named.step} was completed without it"
    else:
        why = f"{named.step} {WITHOUT.get(state, 'has not ended')}"
    return Refused(
        "invalid_arguments",
        f"{named} has no value, because {why}, and the tool was not called. If the step can do "
        f"without, write what stands in for it: ${{{{ {named} || null }}}}",
    )
