"""The steps that a definition and the values of its inputs make."""

from typing import Any

import pytest

from bot.errors import Refused
from bot.workflows.definitions import input_values
from bot.workflows.definitions.definition import Definition
from bot.workflows.definitions.definition_file import parse
from bot.workflows.definitions.expansion import ExpandedStep, expand

FEATURE = parse(b"""\
inputs:
  feature: {description: what to build}
  parts: {type: list, default: [api, page]}
  tries: {type: number, default: 3}
  draft: {type: boolean, default: true}
steps:
  - id: design
    title: Design ${{ inputs.feature }}
    body: ${{ inputs.feature }}, ${{ inputs.parts }}, ${{ inputs.tries }}, ${{ inputs.draft }}
  - id: build
    each: parts
    title: Build ${{ item }}
    body: ${{item}} of ${{inputs.feature}}
    needs: [design]
  - id: release
    title: Release
    body: x
    needs: [design, build]
""")


def refused(given: dict[str, Any], definition: Any = FEATURE) -> str:
    with pytest.raises(Refused) as failed:
        expand(definition, given)
    assert failed.value.code == "invalid_arguments"
    return failed.value.message


def test_each_entry_of_a_list_makes_a_step_and_others_need_them_all() -> None:
    design, build, release = FEATURE.steps
    assert expand(FEATURE, {"feature": "search"}) == [
        ExpandedStep("design", design, "Design search", "search, api, page, 3, true"),
        ExpandedStep("build-1", build, "Build api", "api of search", ("design",), "api"),
        ExpandedStep("build-2", build, "Build page", "page of search", ("design",), "page"),
        ExpandedStep("release", release, "Release", "x", ("design", "build-1", "build-2")),
    ]


def test_a_value_is_data_and_never_looked_at_again() -> None:
    given = {"feature": "${{ inputs.parts }}", "parts": ["${{ item }}"]}
    design, build, _ = expand(FEATURE, given)
    assert design.title == "Design ${{ inputs.parts }}"
    assert build.body == "${{ item }} of ${{ inputs.parts }}"


def test_a_text_may_have_several_lines_in_a_body() -> None:
    definition = parse(b"inputs: {a: {}}\nsteps: [{id: a, title: A, body: '${{ inputs.a }}'}]")
    (only,) = expand(definition, {"a": "one\n\ttwo"})
    assert only.body == "one\n\ttwo"


MISSING = "inputs: feature is missing: pass a text (what to build)."
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a missing input": ({}, MISSING),
    "an unknown input": (
        {"feature": "a", "partz": []},
        "inputs: partz is unknown; the inputs are feature, parts, tries, draft.",
    ),
    "a number for a text": ({"feature": 7}, "inputs: feature must be a text; put it in quotes."),
    "an empty text": ({"feature": " "}, "inputs: feature must not be empty."),
    "a text for a number": ({"feature": "a", "tries": "x"}, "inputs: tries must be a number."),
    "no number": ({"feature": "a", "tries": float("nan")}, "inputs: tries must be a number."),
    "true for a number": ({"feature": "a", "tries": True}, "inputs: tries must be a number."),
    "a text for true": ({"feature": "a", "draft": "x"}, "inputs: draft must be true or false."),
    "a text for a list": ({"feature": "a", "parts": "x"}, "inputs: parts must be a list of texts."),
    "an empty list": ({"feature": "a", "parts": []}, "inputs: parts must not be empty."),
    "a list with an empty entry": (
        {"feature": "a", "parts": ["b", ""]},
        "inputs: parts has an empty entry.",
    ),
    "a list with lines": (
        {"feature": "a", "parts": ["b\nc"]},
        "inputs: parts has an entry with a line break or a control character.",
    ),
    "a list that is too long": (
        {"feature": "a", "parts": ["b"] * 101},
        "inputs: parts must have at most 100 entries.",
    ),
    "a control character": ({"feature": "a\x1b[31m"}, "inputs: feature has a control character."),
    "half of a character": ({"feature": "a\ud800"}, "inputs: feature has a control character."),
    "a text that is too long": (
        {"feature": "a" * 10_001},
        "inputs: feature must have at most 10000 characters.",
    ),
    "too many steps": (
        {"feature": "a", "parts": ["b"] * 100},
        "inputs: the workflow would have 102 steps; the limit is 100.",
    ),
    "too many needs": (
        {"feature": "a", "parts": ["b"] * 50},
        "inputs: step release would need 51 others; the limit is 50.",
    ),
    "a title that is too long": (
        {"feature": "a" * 250},
        "inputs: the title of step design would have 257 characters; the limit is 256.",
    ),
    "a title with lines": (
        {"feature": "a\nb"},
        "inputs: the title of step design would have several lines; shorten the input.",
    ),
    "two problems": (
        {"parts": [], "a": 1},
        MISSING[:-1] + "; parts must not be empty; a is unknown; the inputs are feature, parts, "
        "tries, draft.",
    ),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
def test_wrong_inputs_are_refused_with_their_reason(given: dict[str, Any], message: str) -> None:
    assert refused(given) == message


def test_a_body_that_becomes_too_long_is_refused() -> None:
    body = " ".join(["${{ inputs.a }}"] * 10)
    text = f"inputs: {{a: {{}}}}\nsteps: [{{id: a, title: A, body: '{body}'}}]"
    message = refused({"a": "b" * 9_000}, parse(text.encode()))
    assert message == "inputs: the body of step a would have 90009 characters; the limit is 60000."


def test_words_of_a_command_become_values_of_the_inputs_types() -> None:
    words = {"feature": "search", "parts": "api, page", "tries": "5", "draft": "No", "x": "y"}
    assert input_values.from_words(FEATURE, words) == {
        "feature": "search",
        "parts": ["api", "page"],
        "tries": "5",
        "draft": False,
        "x": "y",
    }


def test_the_arguments_of_a_tool_have_the_values_of_inputs_with_their_types() -> None:
    definition = Definition.model_validate(
        {
            "inputs": {
                "city": {"default": "Turin"},
                "days": {"type": "number", "default": 3},
                "parts": {"type": "list", "default": ["a", "b"]},
            },
            "steps": [
                {
                    "id": "forecast",
                    "title": "Forecast",
                    "each": "parts",
                    "tool": "weather__forecast",
                    "arguments": {
                        "city": "${{ inputs.city }}",
                        "days": " ${{inputs.days}} ",
                        "parts": ["${{ inputs.parts }}", {"one": "${{ item }}", "n": 1}],
                        "text": "${{ inputs.city }} and ${{ inputs.days }} of ${{ inputs.parts }}",
                    },
                }
            ],
        }
    )
    first, second = expand(definition, {"city": "${{ item }}"})
    assert first.arguments == {
        "city": "${{ item }}",
        "days": 3,
        "parts": [["a", "b"], {"one": "a", "n": 1}],
        "text": "${{ item }} and 3 of a, b",
    }
    assert second.arguments["parts"] == [["a", "b"], {"one": "b", "n": 1}]


def test_arguments_that_become_too_long_are_refused() -> None:
    text = {"default": "x" * 9_000}
    definition = Definition.model_validate(
        {
            "inputs": {"text": text},
            "steps": [
                {
                    "id": "tell",
                    "title": "Tell",
                    "tool": "chat__post",
                    "arguments": {"text": "${{ inputs.text }} " * 3},
                }
            ],
        }
    )
    with pytest.raises(Refused, match="the arguments of step tell would have 2701") as refused:
        expand(definition, {})
    assert refused.value.code == "invalid_arguments"
