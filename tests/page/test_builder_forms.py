"""What people write into the fields of the builder, and press, as changed lines of the file."""

import difflib
from typing import Any

import pytest
from pydantic import TypeAdapter

from bot.errors import Refused
from bot.operations.workflows.drafts import DraftView, fields_of
from bot.workflows.editing import draft
from bot.workflows.editing.edits import AnyEdit
from webhooks.page import builder_buttons

EDITS: TypeAdapter[list[AnyEdit]] = TypeAdapter(list[AnyEdit])
TEXT = """\
description: Build it
inputs:
  feature: {required: true}
  count: {type: number, default: 3}
  all: {type: boolean, default: false}
  parts: {type: list, default: [api, page]}
steps:
  - id: design
    title: Design
    body: Write it.
    outputs: [plan]
  - id: ship
    title: Ship
    tool: deploy__start
    arguments: {where: test, times: 3}
    needs: [design]
  - id: approve
    title: Approve
    approve: maintainers
"""
DESIGN, SHIP, APPROVE = range(3)


def view(text: str = TEXT) -> DraftView:
    return DraftView(**fields_of(draft.look(text)))


def pressed(button: str, chosen: int | None = None, **sent: str) -> str:
    """The text after a button was pressed."""
    return changed({"do": button, **sent}, chosen)


def changed(sent: dict[str, str], chosen: int | None = None) -> str:
    found = builder_buttons.press(sent, view(), chosen)
    return found.text or draft.look(TEXT, EDITS.validate_python(found.edits)).text


def lines(text: str) -> list[str]:
    """What is new, and what is gone."""
    diff = difflib.unified_diff(TEXT.splitlines(), text.splitlines(), n=0, lineterm="")
    return [f"{each[0]}{each[1:].strip()}" for each in list(diff)[2:] if each[0] != "@"]


FIELDS: list[tuple[int | None, dict[str, str], list[str]]] = [
    # The file as a whole.
    (None, {"top.description": "Build all"}, ["-description: Build it", "+description: Build all"]),
    (None, {"top.parallel": "2"}, ["+parallel: 2"]),
    (None, {"top.description": " Build it "}, []),
    (None, {"top.description": ""}, ["-description: Build it"]),
    (
        None,
        {"input.feature.description": "What"},
        ["-feature: {required: true}", "+feature: {required: true, description: What}"],
    ),
    (
        None,
        {"input.count.default": "-4"},
        ["-count: {type: number, default: 3}", "+count: {type: number, default: -4}"],
    ),
    (
        None,
        {"input.all.default": "true"},
        ["-all: {type: boolean, default: false}", "+all: {type: boolean, default: true}"],
    ),
    (
        None,
        {"input.parts.default": "api, docs,"},
        [
            "-parts: {type: list, default: [api, page]}",
            "+parts: {type: list, default: [api, docs]}",
        ],
    ),
    # What does not fit stays as it was written, and the file says so.
    (
        None,
        {"input.count.default": "--4"},
        ["-count: {type: number, default: 3}", "+count: {type: number, default: --4}"],
    ),
    (
        None,
        {"input.all.default": "perhaps"},
        ["-all: {type: boolean, default: false}", "+all: {type: boolean, default: perhaps}"],
    ),
    (None, {"top.parallel": "many"}, ["+parallel: many"]),
    # A step.
    (DESIGN, {"key.outputs": "plan, costs"}, ["-outputs: [plan]", "+outputs: [plan, costs]"]),
    (DESIGN, {"key.retry": "3"}, ["+retry: 3"]),
    (DESIGN, {"key.retry": "often"}, ["+retry: often"]),
    (DESIGN, {"key.outputs": ""}, ["-outputs: [plan]"]),
    (DESIGN, {"key.body": "One\r\nTwo"}, ["-body: Write it.", "+body: |", "+One", "+Two"]),
    (
        DESIGN,
        {"key.id": "plan"},
        ["-- id: design", "+- id: plan", "-needs: [design]", "+needs: [plan]"],
    ),
    (DESIGN, {"key.on_failure": "stop"}, ["+on_failure: stop"]),
    (DESIGN, {"key.on_failure": "compensate: ship"}, ["+on_failure: {compensate: ship}"]),
    (DESIGN, {"key.on_failure": ""}, []),
    # A gate.
    (
        APPROVE,
        {"gate.by": "writers", "gate.capability": "", "gate.quorum": ""},
        ["-approve: maintainers", "+approve: writers"],
    ),
    (
        APPROVE,
        {"gate.by": "agents", "gate.capability": "review", "gate.quorum": "2"},
        [
            "-approve: maintainers",
            "+approve: {by: agents, capability: [review], quorum: 2}",
        ],
    ),
    (
        APPROVE,
        {"gate.by": "ada, linus", "gate.capability": "", "gate.quorum": "1"},
        ["-approve: maintainers", "+approve: [ada, linus]"],
    ),
    (APPROVE, {"gate.by": "maintainers", "gate.capability": "", "gate.quorum": ""}, []),
    # Arguments of a tool.
    (
        SHIP,
        {"argument.where": "live", "argument.times": "3"},
        ["-arguments: {where: test, times: 3}", "+arguments: {where: live, times: 3}"],
    ),
    (
        SHIP,
        {"argument.where": ""},
        ["-arguments: {where: test, times: 3}", "+arguments: {times: 3}"],
    ),
    (
        SHIP,
        {"argument.where": "{ broken"},
        ["-arguments: {where: test, times: 3}", "+arguments: {where: '{ broken', times: 3}"],
    ),
]


@pytest.mark.parametrize(("chosen", "sent", "expected"), FIELDS)
def test_only_what_was_changed_in_a_field_changes_in_the_file(
    chosen: int | None, sent: dict[str, str], expected: list[str]
) -> None:
    assert lines(changed({"do": "apply", **sent}, chosen)) == expected


LONG = "9" * 5000


@pytest.mark.parametrize(
    ("chosen", "name"),
    [(None, "input.count.default"), (None, "top.parallel"), (DESIGN, "key.retry")],
)
def test_a_number_that_is_too_long_stays_a_text(chosen: int | None, name: str) -> None:
    """Python converts no number with more than 4300 digits."""
    assert LONG in changed({"do": "apply", name: LONG}, chosen)


def test_a_quorum_that_is_too_long_stays_a_text() -> None:
    sent = {"gate.by": "agents", "gate.capability": "", "gate.quorum": LONG}
    assert LONG in changed({"do": "apply", **sent}, APPROVE)


BUTTONS: list[tuple[str, int | None, dict[str, str], list[str]]] = [
    ("connect", APPROVE, {"need": "ship"}, ["+needs: [ship]"]),
    ("connect", APPROVE, {}, []),
    ("disconnect:design", SHIP, {}, ["-needs: [design]"]),
    (
        "remove",
        DESIGN,
        {},
        [
            "-- id: design",
            "-title: Design",
            "-body: Write it.",
            "-outputs: [plan]",
            "-needs: [design]",
        ],
    ),
    ("connect-steps:1:2", None, {}, ["+needs: [ship]"]),
    (
        "add-argument",
        SHIP,
        {"new-argument": "who", "new-value": "ada"},
        ["-arguments: {where: test, times: 3}", "+arguments: {where: test, times: 3, who: ada}"],
    ),
    (
        "add-argument",
        SHIP,
        {"new-argument": "who"},
        [
            "-arguments: {where: test, times: 3}",
            "+arguments: {where: test, times: 3, who: a value}",
        ],
    ),
    ("add-argument", SHIP, {"new-argument": " "}, []),
    (
        "remove-argument:times",
        SHIP,
        {},
        ["-arguments: {where: test, times: 3}", "+arguments: {where: test}"],
    ),
    ("add-input", None, {"new-input": "who"}, ["+who: {required: true}"]),
    ("add-input", None, {"new-input": ""}, []),
    ("remove-input:feature", None, {}, ["-feature: {required: true}"]),
    (
        "add-tool",
        DESIGN,
        {},
        ["+- id: tool-1", "+title: Call a tool", "+tool: server__tool", "+needs: [design]"],
    ),
    ("add-gate", None, {}, ["+- id: gate-1", "+title: Approve", "+approve: maintainers"]),
    (
        "add-undo",
        SHIP,
        {},
        [
            "+on_failure: {compensate: undo-1}",
            "+- id: undo-1",
            "+title: Undo ship",
            '+body: "Say here what is to be done.\\n"',
        ],
    ),
    ("something else", SHIP, {}, []),
]


@pytest.mark.parametrize(("button", "chosen", "sent", "expected"), BUTTONS)
def test_a_button_changes_what_it_says(
    button: str, chosen: int | None, sent: dict[str, str], expected: list[str]
) -> None:
    assert lines(changed({"do": button, **sent}, chosen)) == expected


def test_undo_brings_back_the_text_before() -> None:
    assert pressed("undo", previous="steps: []\n") == "steps: []\n"
    assert pressed("undo") == TEXT


@pytest.mark.parametrize(
    ("button", "words"),
    [
        ("remove", "Choose a step first. Nothing was changed."),
        ("add-undo", "Choose the step that it undoes first. Nothing was changed."),
        ("connect-steps:0:9", "There is no such step. Nothing was changed."),
        ("select:x", "There is no such step. Nothing was changed."),
    ],
)
def test_a_button_without_what_it_needs_says_so(button: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        pressed(button)
    assert caught.value.message == words


@pytest.mark.parametrize("button", ["remove", "connect", "apply", "add-undo"])
def test_an_edit_of_a_step_that_is_gone_is_refused(button: str) -> None:
    """Otherwise it would change another step, or the file."""
    sent: dict[str, Any] = {"do": button, "selected": "7"}
    with pytest.raises(Refused, match="There is no such step"):
        builder_buttons.chosen_place(sent, view())
    assert builder_buttons.chosen_place(sent | {"do": "add-step"}, view()) is None
    assert builder_buttons.chosen_place(sent | {"selected": ""}, view()) is None
