"""The arguments of a step's tool with the outputs of other steps."""

from typing import Any

import pytest

from bot.errors import Refused
from bot.operations.workflows.step_arguments import with_outputs
from bot.workflows.definitions import tool_values
from bot.workflows.definitions.input_values import as_text
from store.tables.workflows import StepState

ENDED: dict[str, StepState] = {"ask": "completed", "again": "failed"}
OUTPUTS: dict[str, dict[str, Any]] = {
    "ask": {"sky": "clear", "rain": {"mm": 0, "at": [None, 7]}},
    "again": {"sky": "of the time before"},
}


def made(**given: Any) -> dict[str, Any]:
    stored = tool_values.with_values(given, lambda name: name, as_text)
    return with_outputs(stored, OUTPUTS, ENDED)


def test_a_default_stands_in_for_what_is_not_there_and_for_null() -> None:
    assert made(
        there="${{ steps.ask.outputs.sky || 'grey' }}",
        zero="${{ steps.ask.outputs.rain.mm || 5 }}",
        null="${{ steps.ask.outputs.rain.at.0 || [1, 2] }}",
        part="${{ steps.ask.outputs.rain.cm || {} }}",
        failed="${{ steps.again.outputs.sky || null }}",
        text="${{ steps.again.outputs.sky || 'no' }} and ${{ steps.gone.outputs.x || true }}",
    ) == {
        "there": "clear",
        "zero": 0,
        "null": [1, 2],
        "part": {},
        "failed": None,
        "text": "no and true",
    }


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ("steps.again.outputs.sky", "again failed"),
        ("steps.ask.outputs.rain.at.9", "ask gave no such part"),
        ("steps.ask.outputs.wind", "ask was completed without it"),
        ("steps.gone.outputs.x", "gone was taken out of the workflow"),
    ],
)
def test_a_value_that_is_not_there_says_why_and_what_to_write(inside: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        made(x=f"${{{{ {inside} }}}}")
    assert refused.value.message == (
        f"{inside} has no value, because {why}, and the tool was not called. If the step can do "
        f"without, write what stands in for it: ${{{{ {inside} || null }}}}"
    )


def test_a_long_output_fits_whole_but_not_very_often() -> None:
    long = {"ask": {"sky": "x" * 19_998}}
    stored = tool_values.with_values(
        {"a": "${{ steps.ask.outputs.sky }}"}, lambda name: name, as_text
    )
    assert with_outputs(stored, long, ENDED) == {"a": "x" * 19_998}
    often = tool_values.with_values(
        {"a": "${{ steps.ask.outputs.sky }}" * 6}, lambda name: name, as_text
    )
    with pytest.raises(Refused, match="more than 100000 characters with the outputs of other"):
        with_outputs(often, long, ENDED)
