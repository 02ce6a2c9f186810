"""Which outputs a step may not get."""

import pytest

from bot.workflows.definitions.definition import Definition
from bot.workflows.definitions.output_hints import hints

END = "; write what stands in for it: ${{ steps.a.outputs.x || null }}"


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ({}, {}, None),
        ({"on_failure": "continue"}, {}, "a may fail and the workflow goes on"),
        ({"if": "label:urgent"}, {}, "a is skipped unless its `if` holds"),
        ({"if": "label:urgent"}, {"if": "label:urgent"}, None),
        ({}, {"if": "always"}, "b also begins after a failure"),
        ({"on_failure": "continue"}, {"arguments": {"x": "${{ steps.a.outputs.x || 1 }}"}}, None),
    ],
)
def test_a_reference_to_a_step_that_may_give_nothing_gets_a_hint(
    a: dict[str, object], b: dict[str, object], why: str | None
) -> None:
    first = {"id": "a", "title": "A", "body": "Work.", "outputs": ["x"], **a}
    arguments = {"x": "${{ steps.a.outputs.x }}", "y": ["${{steps.a.outputs.x}}"]}
    second = {"id": "b", "title": "B", "tool": "t__b", "needs": ["a"], "arguments": arguments, **b}
    found = hints(Definition.model_validate({"steps": [first, second]}))
    expected = f"steps.b.arguments: steps.a.outputs.x may have no value, because {why}{END}"
    assert found == ([expected] if why else [])
