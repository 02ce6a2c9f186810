"""JSON that other programs wrote, by the book or not."""

import pytest

from bot import foreign_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (rb'"cut \ud83d here"', "cut ? here"),
        (rb'"\udc00\ud83d\ude00\ud83d"', "?\U0001f600?"),
        # A backslash, and then no escape.
        (rb'"\\ud83d \u00e9 \ud83d"', "\\ud83d é ?"),
        (b"[NaN, Infinity, -Infinity, 1.5]", [None, None, None, 1.5]),
    ],
)
def test_a_value_is_read_as_far_as_it_has_a_meaning(text: bytes, value: object) -> None:
    assert foreign_json.value(text) == value


@pytest.mark.parametrize("text", [b"", b"{", b"NaN?", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        foreign_json.value(text)
