"""JSON in columns. No database is needed: columns hold any text."""

import json
import math
from enum import StrEnum
from typing import Any

import pytest

from store.engine import json_text


class Word(StrEnum):
    OPEN = "open"


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [
        2**70,
        -(2**63) - 1,
        1e308,
        -0.0,
        "\ud800 half a pair",
        {"\ud800": 1},
        {Word.OPEN: Word.OPEN},
        {1: 2, None: 3},
        ("a", ["b"]),
        nested(400),
        "🦑 \u2028 \x00 '\"\\ é",
    ],
)
def test_a_value_is_read_back_as_the_standard_library_would(value: Any) -> None:
    assert json_text.value(json_text.text(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', '"\\ud800"', "1180591620717411303424", "1e400", "-Infinity", " 1 "]
)
def test_a_text_of_an_earlier_version_is_read_as_before(text: str) -> None:
    assert json_text.value(text) == json.loads(text)


def test_what_json_does_not_have_is_null() -> None:
    assert json_text.text([math.nan, math.inf]) == "[null,null]"


@pytest.mark.parametrize("value", [{"a"}, object(), b"bytes"])
def test_a_value_without_a_json_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        json_text.text(value)


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul"])
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"line|char"):
        json_text.value(text)
