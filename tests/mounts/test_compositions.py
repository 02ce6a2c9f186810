"""Composed tools: the checks of a definition, its references and conditions, and what runs when."""

from typing import Any

import pytest
from pydantic import ValidationError

from bot.kernel import yaml_file
from bot.kernel.yaml_file import Rules, matches_any
from bot.mounts.compositions import engine
from bot.mounts.compositions.engine import Call, Final, Next, Outcome
from bot.repository.composed_tools import checks, conditions, file_checks
from bot.repository.composed_tools.definition import ComposedTool
from bot.repository.composed_tools.references import Missing, Reference, parse, with_values
from bot.repository.setting_types import Group


def tool(*steps: dict[str, Any], **more: Any) -> ComposedTool:
    return ComposedTool.model_validate(
        {"description": "Look", "steps": [{"call": "a__b", **each} for each in steps], **more}
    )


def problems(*steps: dict[str, Any], **more: Any) -> list[str]:
    found = checks.problems(tool(*steps, **more))
    return [f"{'.'.join(where)}: {why}" for where, why in found]


TRIAGE = tool(
    {"id": "found", "call": "jira__search", "with": {"words": "${{ arguments.words }}", "max": 5}},
    {"id": "people", "call": "jira__people"},
    {
        "id": "tell",
        "call": "chat__post",
        "if": "steps.found.result.total > 0",
        "needs": ["people"],
        "with": {
            "text": "Found ${{ steps.found.result.total }}: ${{ steps.found.result.issues.0.key }}",
            "to": ["${{ steps.people.result }}"],
        },
    },
    arguments={"words": {"description": "What to find"}, "max": {"type": "integer", "default": 5}},
    result={"key": "${{ steps.found.result.issues.0.key }}", "told": "${{ steps.tell.outcome }}"},
)
FOUND = Outcome("ok", {"total": 2, "issues": [{"key": "A-1"}, {"key": "A-2"}]})


def test_steps_that_wait_for_nothing_run_side_by_side_and_others_after_them() -> None:
    arguments = engine.with_defaults(TRIAGE, {"words": "crash"})
    assert arguments == {"words": "crash", "max": 5}
    first = engine.advance(TRIAGE, arguments, {})
    assert first.calls == [
        Call("found", "jira__search", {"words": "crash", "max": 5}),
        Call("people", "jira__people", {}),
    ]
    assert engine.advance(TRIAGE, arguments, {"found": FOUND}).calls == [first.calls[1]]
    outcomes = {"found": FOUND, "people": Outcome("ok", ["ann", 1])}
    second = engine.advance(TRIAGE, arguments, outcomes)
    assert second == Next(
        [Call("tell", "chat__post", {"text": "Found 2: A-1", "to": [["ann", 1]]})]
    )
    outcomes["tell"] = Outcome("ok", {"id": 1})
    assert engine.advance(TRIAGE, arguments, outcomes).is_over
    assert engine.final(TRIAGE, arguments, outcomes) == Final({"key": "A-1", "told": "ok"})


def test_a_step_whose_condition_does_not_hold_is_skipped() -> None:
    outcomes = {"found": Outcome("ok", {"total": 0, "issues": []}), "people": Outcome("ok", "x")}
    made = engine.advance(TRIAGE, {}, outcomes)
    why = "steps.found.result.total > 0 does not hold"
    assert made == Next([], {"tell": Outcome("skipped", why=why)})
    final = engine.final(TRIAGE, {}, outcomes | made.decided)
    assert final == Final({"key": None, "told": "skipped"})


def test_a_failure_ends_the_tool_and_says_what_was_done() -> None:
    outcomes = {"found": FOUND, "people": Outcome("failed", why="the server is away")}
    made = engine.advance(TRIAGE, {}, outcomes)
    assert made.decided == {"tell": Outcome("skipped", why="a step before it failed")}
    final = engine.final(TRIAGE, {}, outcomes | made.decided)
    text = "The step people failed: the server is away. Steps that were done: found."
    assert final == Final(text, is_error=True)


def test_a_default_lets_a_step_do_without_a_failed_one() -> None:
    made = tool(
        {"id": "a", "on_failure": "continue"},
        {"id": "b", "with": {"x": "${{ steps.a.result.n || 0 }}"}},
        {"id": "c", "with": {"x": "${{ steps.a.result.n }}"}},
    )
    found = engine.advance(made, {}, {"a": Outcome("failed", why="away")})
    assert [(each.step, each.arguments) for each in found.calls] == [("b", {"x": 0})]
    assert found.decided == {"c": Outcome("skipped", why="a is failed")}


def test_a_failure_that_may_be_goes_on_with_those_that_do_not_need_it() -> None:
    made = tool(
        {"id": "a", "on_failure": "continue"},
        {"id": "b", "needs": ["a"]},
        {"id": "c", "if": ["steps.a.outcome == 'failed'", "not steps.a.result.x"]},
        {"id": "d"},
    )
    outcomes = {"a": Outcome("failed", why="away"), "d": Outcome("ok", 1)}
    following = engine.advance(made, {}, outcomes)
    assert following.decided == {"b": Outcome("skipped", why="a is failed")}
    assert following.calls == [Call("c", "a__b", {})]
    outcomes |= {**following.decided, "c": Outcome("ok", 2)}
    assert engine.final(made, {}, outcomes) == Final({"d": 1, "c": 2})


def test_a_value_that_is_not_there_fails_the_step_before_it_is_called() -> None:
    made = tool({"id": "a"}, {"id": "b", "with": {"x": "${{ steps.a.result.items.3.id }}"}})
    following = engine.advance(made, {}, {"a": Outcome("ok", {"items": [1]})})
    why = "steps.a.result.items.3.id has no value"
    assert following == Next([], {"b": Outcome("failed", why=why)})


def test_values_that_multiply_are_bounded() -> None:
    many = "${{ steps.a.result }}" * 20
    values = {f"k{n}": many for n in range(40)}
    made = tool({"id": "a"}, {"id": "b", "with": values}, result={"all": [many] * 40})
    outcomes = {"a": Outcome("ok", "x" * 60_000)}
    following = engine.advance(made, {}, outcomes)
    assert following.decided["b"].why == "its arguments have more than 262144 characters"
    final = engine.final(made, {}, outcomes | {"b": Outcome("ok")})
    assert final.is_error
    assert "The result has more than 262144 characters" in final.value


def test_the_arguments_have_a_schema() -> None:
    assert TRIAGE.input_schema() == {
        "type": "object",
        "properties": {
            "words": {"type": "string", "description": "What to find"},
            "max": {"type": "integer", "default": 5},
        },
        "additionalProperties": False,
        "required": ["words"],
    }


# --- References and conditions -------------------------------------------------------------------


def test_a_reference_alone_keeps_its_type_and_is_not_looked_at_again() -> None:
    values: dict[str, Any] = {"arguments.a": {"b": "${{ arguments.c }}"}, "arguments.n": 1.5}

    def find(reference: Reference) -> Any:
        if str(reference) not in values:
            raise Missing(reference)
        return values[str(reference)]

    given = {"x": [" ${{ arguments.a }} "], "y": "n=${{arguments.n}}, a=${{ arguments.a }}", "z": 1}
    assert with_values(given, find) == {
        "x": [{"b": "${{ arguments.c }}"}],
        "y": 'n=1.5, a={"b": "${{ arguments.c }}"}',
        "z": 1,
    }
    with pytest.raises(Missing, match=r"arguments\.c has no value"):
        with_values("${{ arguments.c }}", find)
    assert with_values("${{ arguments.c || [1, 'x'] }}", find) == "${{ arguments.c || [1, 'x'] }}"
    assert with_values("${{ arguments.c || [1] }} ${{ arguments.n || 'x' }}", find) == "[1] 1.5"
    assert with_values("${{ arguments.c || null }}", find) is None
    assert parse("steps.a.result.b c") is None
    assert parse("steps.a") is None
    assert parse("env.PATH") is None


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("arguments.n", True),
        ("not arguments.n", False),
        ("arguments.none", False),
        ("not arguments.none", True),
        ("arguments.n == 2", True),
        ("arguments.n==2", True),
        ("arguments.n != 2", False),
        ("arguments.n >= 2", True),
        ("arguments.n < 2", False),
        ("arguments.n > 'a'", False),
        ("arguments.yes == 1", False),
        ("arguments.yes == true", True),
        ("arguments.text == 'a b'", True),
        ('arguments.text == "a b"', True),
        ("arguments.text in ['a b']", None),
        ('arguments.text in ["c", "a b"]', True),
        ("arguments.none == null", True),
        ("arguments.list.1.x == 3", True),
        ("arguments.n == x", None),
        ("not arguments.n == 2", None),
        ("1 == 1", None),
        ("arguments.n == " + "[" * 9999, None),
    ],
)
def test_conditions_are_read_and_hold(text: str, holds: bool | None) -> None:  # noqa: FBT001
    values = {"n": 2, "yes": True, "text": "a b", "list": [0, {"x": 3}]}
    found = conditions.read(text)
    if holds is None:
        assert found is None
        return
    assert found is not None
    made = tool({"id": "a", "if": text})
    assert bool(engine.advance(made, values, {}).calls) is holds


# --- Checks --------------------------------------------------------------------------------------


def test_a_tool_without_a_mistake_has_no_problem() -> None:
    assert checks.problems(TRIAGE) == []


@pytest.mark.parametrize(
    ("steps", "more", "found"),
    [
        ([{"id": "a"}, {"id": "a"}], {}, ["steps.1.id: is the id of an earlier step too: a"]),
        (
            [{"id": "a", "needs": ["b"]}],
            {},
            ["steps.0.needs.0: names no step: b; the steps are a"],
        ),
        (
            [{"id": "a", "with": {"x": ["${{ arguments.q }}"]}}],
            {},
            ["steps.0.with.x.0: arguments.q names no argument; there are none"],
        ),
        (
            [{"id": "a", "with": {"x": "${{ steps.b.result }}"}}],
            {},
            ["steps.0.with.x: steps.b.result names no step; the steps are a"],
        ),
        (
            [{"id": "a", "with": {"x": "${{ steps.a.result }}"}}],
            {},
            ["steps.0.with.x: steps.a.result is a value of the step itself"],
        ),
        (
            [{"id": "a", "with": {"x": "${{ 1 + 1 }} ${{ open"}}],
            {},
            [
                (
                    "steps.0.with.x: ${{ 1 + 1 }} is unknown; write arguments.NAME, "
                    "steps.ID.result with a path, or steps.ID.outcome; || VALUE may follow"
                ),
                "steps.0.with.x: has ${{ without }} after it",
            ],
        ),
        (
            [{"id": "a", "with": {"x": "${{ arguments.q }}" * 21}}],
            {},
            ["steps.0.with.x: has more than 20 references"],
        ),
        (
            [{"id": "a", "if": "total > 1"}],
            {},
            [
                (
                    "steps.0.if.0: is no condition; write for example "
                    "steps.found.result.total > 0, or not arguments.quick"
                )
            ],
        ),
        (
            [{"id": "a", "if": "arguments.q"}],
            {},
            ["steps.0.if.0: arguments.q names no argument; there are none"],
        ),
        (
            [{"id": "a", "needs": ["b"]}, {"id": "b", "with": {"x": "${{ steps.a.result }}"}}],
            {},
            ["steps.0: waits for itself: a, b need each other"],
        ),
        (
            [{"id": "a"}],
            {"result": "${{ steps.b.result }}"},
            ["result: steps.b.result names no step; the steps are a"],
        ),
        (
            [{"id": "a"}],
            {
                "arguments": {
                    "n": {"type": "integer", "default": True},
                    "t": {"default": "x", "required": True},
                }
            },
            [
                "arguments.n.default: must be of the type integer",
                "arguments.t.required: must be left out, because there is a default",
            ],
        ),
    ],
)
def test_a_mistake_has_its_place(
    steps: list[dict[str, Any]], more: dict[str, Any], found: list[str]
) -> None:
    assert problems(*steps, **more) == found


@pytest.mark.parametrize(
    "wrong",
    [
        {"call": "search"},
        {"call": "a__b", "id": "A"},
        {"call": "a__b", "other": 1},
        {"call": "a__b", "if": ["x"] * 6},
        {"call": "a__b", "on_failure": "ignore"},
    ],
)
def test_a_step_with_a_wrong_key_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        tool({"id": "a", **wrong})
    with pytest.raises(ValidationError):
        tool(*({"id": f"s{n}"} for n in range(21)))


FILE = b"""
tools:
  triage:
    description: Find an issue and tell about it
    arguments:
      words: {description: What to find}
    steps:
      - id: found
        call: jira__search
        with:
          words: ${{ arguments.word }}
      - id: tell
        call: chat__post
        if: found > 0
        with: {to: ["${{ steps.other.result }}"]}
"""


def test_each_mistake_in_a_file_has_its_line() -> None:
    given, lines = yaml_file.read(FILE, Rules(example="", depth=file_checks.DEEPEST))
    tools = {name: ComposedTool.model_validate(each) for name, each in given["tools"].items()}
    found = yaml_file.unreadable(file_checks.problems(tools, lines)).problems
    assert found == (
        (
            "line 11: tools.triage.steps.0.with.words: arguments.word names no argument; there are "
            "words"
        ),
        (
            "line 14: tools.triage.steps.1.if.0: is no condition; write for example "
            "steps.found.result.total > 0, or not arguments.quick"
        ),
        (
            "line 15: tools.triage.steps.1.with.to.0: steps.other.result names no step; the steps "
            "are found, tell"
        ),
    )


def test_a_wrong_key_in_a_file_has_its_line() -> None:
    text = FILE.replace(b"        call: chat__post", b"        calls: chat__post")
    given, lines = yaml_file.read(text, Rules(example="", depth=file_checks.DEEPEST))
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(given)
    problems = yaml_file.problems_of(caught.value, lines, _group_at)
    assert yaml_file.unreadable(problems).problems == (
        "line 12: tools.triage.steps.1.call: is missing",
        (
            "line 13: tools.triage.steps.1.calls: is unknown; use id, call, with, if, "
            "needs, on_failure"
        ),
    )


class Settings(Group):
    """A file with nothing but tools."""

    tools: dict[str, ComposedTool]


def _group_at(where: tuple[str, ...]) -> type[Group]:
    known = file_checks.ENTRIES.items()
    return next(group for pattern, group in known if matches_any([pattern], where))
