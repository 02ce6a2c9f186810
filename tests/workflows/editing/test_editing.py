"""Edits of a definition's text: only the lines of the edit change, and comments stay."""

import difflib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bot.kernel.yaml_file import Unreadable
from bot.workflows.editing import draft_file, editing
from bot.workflows.editing.edited_values import CannotEdit
from bot.workflows.editing.edits import AnyEdit

EDITS: TypeAdapter[AnyEdit] = TypeAdapter(AnyEdit)
TEXT = """\
# Build something.
description:   Build a feature   # shown in lists

inputs:
  feature: {description: What to build,  required: true}   # odd  spaces
  components:
    type: list
    default: [api, page]
steps:
  # First of all
  - id: design
    title: 'Design ${{ inputs.feature }}'   # a title
    body: |   # the text
      Write it.

      # not a comment

    needs: []
  - id: build
    each: components
    title: Build ${{ item }} of ${{ inputs.feature }}
    body: >
      folded
      text ${{inputs.feature}}
    needs: [ design ]   # after it
    on_failure: {compensate: undo}

  # The gate
  - id: "approve"
    title: Approve
    approve: maintainers
    needs:
    - build   # all
    # and
    - design
  - {id: undo, title: Undo, body: "x"}
"""


def edit(text: str, **change: Any) -> str:
    return editing.edit(text, EDITS.validate_python(change))


def changed_lines(old: str, new: str) -> list[str]:
    diff = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return [each for each in list(diff)[2:] if not each.startswith("@@")]


CASES: list[tuple[dict[str, Any], list[str]]] = [
    (
        {
            "do": "add_step",
            "step": {"id": "x", "title": "New: one", "body": "Do it.\nWell.\n", "needs": ["build"]},
        },
        [
            "+  - id: x",
            "+    title: 'New: one'",
            "+    body: |",
            "+      Do it.",
            "+      Well.",
            "+    needs: [build]",
        ],
    ),
    (
        {"do": "add_step", "step": {"id": "x", "title": "New"}, "after": "design"},
        ["+  - id: x", "+    title: New"],
    ),
    (
        {"do": "remove_step", "step": "undo"},
        ["-    on_failure: {compensate: undo}", '-  - {id: undo, title: Undo, body: "x"}'],
    ),
    (
        {"do": "rename_step", "step": "design", "to": "plan"},
        [
            "-  - id: design",
            "+  - id: plan",
            "-    needs: [ design ]   # after it",
            "+    needs: [ plan ]   # after it",
            "-    - design",
            "+    - plan",
        ],
    ),
    (
        {"do": "rename_step", "step": "approve", "to": "agree"},
        ['-  - id: "approve"', '+  - id: "agree"'],
    ),
    (
        {"do": "rename_step", "step": "undo", "to": "restore"},
        [
            "-    on_failure: {compensate: undo}",
            "+    on_failure: {compensate: restore}",
            '-  - {id: undo, title: Undo, body: "x"}',
            '+  - {id: restore, title: Undo, body: "x"}',
        ],
    ),
    (
        {"do": "set_key", "step": "design", "key": "title", "value": "It's it"},
        [
            "-    title: 'Design ${{ inputs.feature }}'   # a title",
            "+    title: 'It''s it'   # a title",
        ],
    ),
    # A literal block stays one, with the comment beside its key.
    (
        {"do": "set_key", "step": "design", "key": "body", "value": "One line"},
        [
            "-    body: |   # the text",
            "-      Write it.",
            "-",
            "-      # not a comment",
            "+    body: |  # the text",
            "+      One line",
        ],
    ),
    (
        {"do": "set_key", "step": "undo", "key": "body", "value": "a\nb"},
        [
            '-  - {id: undo, title: Undo, body: "x"}',
            '+  - {id: undo, title: Undo, body: "a\\nb\\n"}',
        ],
    ),
    (
        {"do": "set_key", "step": 3, "key": "retry", "value": 2},
        [
            '-  - {id: undo, title: Undo, body: "x"}',
            '+  - {id: undo, title: Undo, body: "x", retry: 2}',
        ],
    ),
    # A new key stands where people expect it.
    ({"do": "set_key", "step": "build", "key": "retry", "value": 3}, ["+    retry: 3"]),
    ({"do": "set_key", "step": "build", "key": "size", "value": "007"}, ["+    size: '007'"]),
    ({"do": "set_key", "step": "build", "key": "each", "value": None}, ["-    each: components"]),
    ({"do": "set_key", "step": "build", "key": "size", "value": None}, []),
    (
        {"do": "set_key", "step": "approve", "key": "approve", "value": {"by": "agents"}},
        ["-    approve: maintainers", "+    approve: {by: agents}"],
    ),
    ({"do": "add_need", "step": "approve", "need": "undo"}, ["+    - undo"]),
    (
        {"do": "add_need", "step": "build", "need": "undo"},
        ["-    needs: [ design ]   # after it", "+    needs: [ design, undo ]   # after it"],
    ),
    (
        {"do": "add_need", "step": "design", "need": "undo"},
        ["-    needs: []", "+    needs: [undo]"],
    ),
    ({"do": "remove_need", "step": "approve", "need": "design"}, ["-    - design"]),
    (
        {"do": "remove_need", "step": "build", "need": "design"},
        ["-    needs: [ design ]   # after it"],
    ),
    ({"do": "set_top", "key": "parallel", "value": 3}, ["+parallel: 3"]),
    (
        {"do": "set_top", "key": "description", "value": "a: b"},
        [
            "-description:   Build a feature   # shown in lists",
            "+description:   'a: b'   # shown in lists",
        ],
    ),
    (
        {
            "do": "set_input",
            "input": "feature",
            "value": {"description": "What", "required": False},
        },
        [
            "-  feature: {description: What to build,  required: true}   # odd  spaces",
            "+  feature: {description: What,  required: false}   # odd  spaces",
        ],
    ),
    (
        {"do": "set_input", "input": "n", "value": {"type": "number", "default": 3}},
        ["+  n: {type: number, default: 3}"],
    ),
    (
        {"do": "set_input", "input": "components", "value": None},
        ["-  components:", "-    type: list", "-    default: [api, page]"],
    ),
    (
        {"do": "rename_input", "input": "components", "to": "parts"},
        ["-  components:", "+  parts:", "-    each: components", "+    each: parts"],
    ),
]


@pytest.mark.parametrize(("change", "expected"), CASES, ids=lambda case: str(case)[:60])
def test_only_the_lines_of_an_edit_change(change: dict[str, Any], expected: list[str]) -> None:
    assert changed_lines(TEXT, edit(TEXT, **change)) == expected


def test_the_line_breaks_of_windows_stay() -> None:
    for change, expected in CASES:
        new = edit(TEXT.replace("\n", "\r\n"), **change)
        assert new.count("\n") == new.count("\r\n")
        assert changed_lines(TEXT, new.replace("\r\n", "\n")) == expected


def test_a_removed_step_leaves_the_needs_of_others() -> None:
    new = edit(TEXT, do="remove_step", step="design")
    assert [each.get("needs") for each in draft_file.read(new)["steps"]] == [None, ["build"], None]
    assert "# First of all" in new


def test_a_renamed_input_is_renamed_in_every_text() -> None:
    new = edit(TEXT, do="rename_input", input="feature", to="thing")
    assert new.count("inputs.thing") == TEXT.count("inputs.feature")
    assert "inputs.feature" not in new


def test_a_renamed_step_is_renamed_where_its_outputs_are_used() -> None:
    text = (
        "steps:\n  - {id: ask, title: Ask, tool: a__ask}  # first\n  - id: tell\n    title: Tell\n"
        "    tool: a__tell\n    needs: [ask]\n    arguments:\n"
        "      text: It is ${{ steps.ask.outputs.result.rain }}, steps.ask.outputs and ask\n"
        "      all: ['${{steps.ask.outputs.result}}']  # whole\n"
    )
    new = edit(text, do="rename_step", step="ask", to="query")
    assert new == (
        text.replace("id: ask", "id: query")
        .replace("[ask]", "[query]")
        .replace("{ steps.ask.", "{ steps.query.")
        .replace("{steps.ask.", "{steps.query.")
    )


def test_a_file_begins_with_nothing() -> None:
    text = edit("", do="set_top", key="description", value="Build")
    text = edit(text, do="set_input", input="what", value={"required": True})
    text = edit(text, do="add_step", step={"id": "a", "title": "A", "body": "Do it\nwell\n"})
    text = edit(text, do="add_step", step={"id": "b", "title": "B", "needs": ["a"]})
    assert text == (
        "description: Build\ninputs: {what: {required: true}}\nsteps:\n  - id: a\n    title: A\n"
        "    body: |\n      Do it\n      well\n  - id: b\n    title: B\n    needs: [a]\n"
    )
    text = edit(edit(text, do="remove_step", step="a"), do="remove_step", step="b")
    assert text == "description: Build\ninputs: {what: {required: true}}\nsteps: []\n"
    assert edit(text, do="add_step", step={"id": "c"}).endswith("steps:\n  - id: c\n")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"do": "remove_step", "step": "none"}, "There is no step 'none'"),
        ({"do": "remove_step", "step": 4}, "There is no step 4"),
        ({"do": "rename_step", "step": "build", "to": "undo"}, "There is already a step 'undo'"),
        ({"do": "add_step", "step": {"id": "undo"}}, "There is already a step 'undo'"),
        ({"do": "add_step", "step": {}}, "must have an `id`"),
        ({"do": "add_need", "step": "build", "need": "none"}, "There is no step 'none'"),
        ({"do": "add_need", "step": "build", "need": "design"}, "already needs 'design'"),
        ({"do": "remove_need", "step": "undo", "need": "build"}, "does not need 'build'"),
        ({"do": "set_input", "input": "none", "value": None}, "There is no input 'none'"),
        ({"do": "rename_input", "input": "none", "to": "x"}, "There is no input 'none'"),
        ({"do": "rename_input", "input": "feature", "to": "components"}, "already an input"),
        ({"do": "set_key", "step": "build", "key": "title", "value": "a\nb"}, "control character"),
    ],
)
def test_an_edit_that_is_impossible_is_refused_with_words(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(CannotEdit, match=words.replace("(", r"\(")):
        edit(TEXT, **change)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps: &a\n  - id: x\n", "line 1: steps: has an anchor or alias"),
        ("steps:\n\t- id: x\n", "line 2: is indented with a tab"),
        ("steps: !!python/name:os.system\n", "has the tag"),
        ("a: 1\na: 2\n", "is a duplicate key"),
        ("a: 1\n---\nb: 1\n", "begins a second document"),
        ("[" * 5000, "nested too deeply"),
        ("steps: [\n", "is not valid YAML"),
        ("- a\n", "must be keys with values"),
        ("a: \x00", "does not allow"),
        ("a: \ud800", "line 1"),
        ("# " + "x" * 300_000, "the limit is"),
    ],
)
def test_a_hostile_text_is_refused_by_the_parser_of_files(text: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        edit(text, do="set_top", key="description", value="x")


@pytest.mark.parametrize(
    "text",
    [
        "steps:\n- \n  id: x\n",
        "steps: [{id: x}, {id: y}]\n",
        "steps: [\n  {id: x}, # one\n  {id: y},\n]\n",
        '{"steps": [{"id":"x"}]}\n',
        "? steps\n: - id: x\n",
        "steps:\n- - id: x\n",
        "steps: 5\n",
        "steps:\n  - x\n",
        "steps:\n-\n  # c\n  title: t\n  id: x\n  needs: y",
        "# only a comment",
        "--- # first\nsteps:\n- id: x\n...\n",
        "\ufeffsteps:\n- id: x\n",
        "steps:\n- {id: x}\n- id: y\n  body: |+\n    a\n\n\n",
        "steps:\n- id: x\n  title: a\n    b\n  # c\n  needs: y # d",
    ],
)
def test_an_odd_layout_is_edited_right_or_not_at_all(text: str) -> None:
    changes = [change for change, _ in CASES]
    of_first = [{**each, "step": 0} for each in changes if isinstance(each.get("step"), str)]
    for change in changes + of_first:
        try:
            new = edit(text, **change)
        except CannotEdit:
            continue
        # As far as line breaks at the end, which long texts get.
        assert new == text or draft_file.read(new) != draft_file.read(text)


STEP: dict[str, Any] = {"do": "set_key", "step": "x"}
LAYOUTS: list[tuple[str, dict[str, Any], str]] = [
    # The key beside the dash: the next one takes its place.
    (
        "steps:\n  - title: X\n    id: x\n",
        {**STEP, "key": "title", "value": None},
        "steps:\n  - id: x\n",
    ),
    # Between brackets.
    (
        "steps: [{id: x}]\n",
        {"do": "add_step", "step": {"id": "y", "title": "Y, or Z"}},
        "steps: [{id: x}, {id: y, title: 'Y, or Z'}]\n",
    ),
    ("steps: [{id: x}, {id: y}]\n", {"do": "remove_step", "step": "x"}, "steps: [{id: y}]\n"),
    ("steps: [{id: x}, {id: y}]\n", {"do": "remove_step", "step": "y"}, "steps: [{id: x}]\n"),
    (
        "inputs: {}\nsteps: []\n",
        {"do": "set_input", "input": "a", "value": {"required": True}},
        "inputs: {a: {required: true}}\nsteps: []\n",
    ),
    (
        "inputs: {a: {}, b: {}}\nsteps: []\n",
        {"do": "set_input", "input": "a", "value": None},
        "inputs: {b: {}}\nsteps: []\n",
    ),
    # A list of lines.
    (
        "steps:\n  - id: x\n    needs:\n    - y\n  - id: y\n  - id: z\n",
        {"do": "add_need", "step": "x", "need": "z"},
        "steps:\n  - id: x\n    needs:\n    - y\n    - z\n  - id: y\n  - id: z\n",
    ),
    # The comment beside a key stays, whatever stood below it.
    (
        "steps:\n  - id: x\n    needs:  # why\n    - y\n  - id: y\n  - id: z\n",
        {**STEP, "key": "needs", "value": ["z"]},
        "steps:\n  - id: x\n    needs: [z]  # why\n  - id: y\n  - id: z\n",
    ),
    (
        "steps:\n  - id: x\n    body: One  # why\n",
        {**STEP, "key": "body", "value": "One\nTwo"},
        "steps:\n  - id: x\n    body: |  # why\n      One\n      Two\n",
    ),
    # Blank lines between steps.
    (
        "steps:\n  - id: x\n\n  - id: y\n",
        {"do": "add_step", "step": {"id": "z"}},
        "steps:\n  - id: x\n\n  - id: y\n\n  - id: z\n",
    ),
    (
        "steps:\n  - id: x\n\n  - id: y\n\n  - id: z\n",
        {"do": "remove_step", "step": "y"},
        "steps:\n  - id: x\n\n  - id: z\n",
    ),
    ("# c", {"do": "set_top", "key": "description", "value": "x"}, "# c\ndescription: x\n"),
]


@pytest.mark.parametrize(("text", "change", "expected"), LAYOUTS)
def test_each_layout_stays_as_people_wrote_it(
    text: str, change: dict[str, Any], expected: str
) -> None:
    assert edit(text, **change) == expected


@pytest.mark.parametrize(
    "text",
    [
        # A comment stands between the key that goes and the one that would take its place.
        "steps:\n  - title: X   # c\n    id: x\n",
        # No key would be left.
        "steps:\n  - title: X\n",
    ],
)
def test_a_key_beside_the_dash_that_cannot_go_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit, match="too unusual for “set key”"):
        edit(text, do="set_key", step=0, key="title", value=None)


TEXTS = st.text(max_size=20) | st.sampled_from(["yes", "5", "~", "a: b", "# c", "- x", "x\ny", "|"])


def _can_be_in_file(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_can_be_in_file, value))
    return not isinstance(value, str) or value.isprintable()


def test_a_new_key_between_braces_has_quotes_where_it_needs_them() -> None:
    new = edit(TEXT, do="set_key", step="undo", key="timeout", value="{2h}, [1d]")
    assert changed_lines(TEXT, new) == [
        '-  - {id: undo, title: Undo, body: "x"}',
        """+  - {id: undo, title: Undo, body: "x", timeout: '{2h}, [1d]'}""",
    ]


@settings(deadline=None)
@given(st.data())
def test_any_value_is_written_so_that_it_is_read_the_same(data: st.DataObject) -> None:
    text = TEXT
    for _ in range(2):
        step = data.draw(st.sampled_from(["design", "build", "approve", "undo"]))
        key = data.draw(st.sampled_from(["title", "body", "needs", "labels", "retry"]))
        value = data.draw(TEXTS | st.lists(TEXTS, max_size=3) | st.integers(0, 9) | st.booleans())
        try:
            text = edit(text, do="set_key", step=step, key=key, value=value)
        except CannotEdit:
            # No file can hold some characters.
            assert not _can_be_in_file(value)
        assert "# First of all" in text
        assert "# The gate" in text


TOOL = """\
steps:
  - id: ask   # the weather
    title: Ask
    tool: weather__forecast
    arguments:
      # Where we are.
      city: Turin   # at home
      days: 3
  - {id: tell, title: Tell, tool: chat__post, arguments: {text: Hi, to: [ann]}}
  - {id: look, title: Look, tool: weather__look}
"""


@pytest.mark.parametrize(
    ("step", "argument", "value", "changed"),
    [
        ("ask", "days", 5, ["-      days: 3", "+      days: 5"]),
        ("ask", "city", None, ["-      city: Turin   # at home"]),
        ("ask", "units", ["mm"], ["+      units: [mm]"]),
        ("tell", "to", None, ["to: [ann]}}", "text: Hi}}"]),
        ("tell", "text", "${{ item }}", ["text: Hi", "text: '${{ item }}'"]),
        ("look", "city", "Pisa", ["weather__look}", "weather__look, arguments: {city: Pisa}}"]),
    ],
)
def test_an_argument_is_changed_and_the_lines_of_the_others_stay(
    step: str, argument: str, value: Any, changed: list[str]
) -> None:
    new = edit(TOOL, do="set_argument", step=step, argument=argument, value=value)
    found = changed_lines(TOOL, new)
    assert len(found) == (1 if len(changed) == 1 else 2)
    assert all(each in line for each, line in zip(changed, found, strict=True))


def test_the_last_argument_goes_with_its_key() -> None:
    one = edit(TOOL, do="set_argument", step="ask", argument="city", value=None)
    none = edit(one, do="set_argument", step="ask", argument="days", value=None)
    assert "arguments:\n" not in none
    with pytest.raises(CannotEdit, match="There is no argument 'days'"):
        edit(none, do="set_argument", step="ask", argument="days", value=None)
