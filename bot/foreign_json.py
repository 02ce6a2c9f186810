"""JSON that other programs wrote: mostly by the book, and now and then not."""

import json
import re
from typing import Any

import orjson

MARK = b"\xef\xbb\xbf"
# An escape of JSON: a whole surrogate pair, half of one, or anything else.
ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


def readable(text: bytes) -> bytes:
    """JSON without a mark at its start, and without halves of surrogate pairs.

    Programs in JavaScript and Python write halves, where they cut a text inside an emoji.
    """
    text = text.removeprefix(MARK)
    if b"\\ud" not in text and b"\\uD" not in text:
        return text
    return ESCAPE.sub(lambda found: b"?" if found["half"] else found[0], text)


def value(text: bytes) -> Any:
    """The value. `NaN` and infinity, which Python writes, are null. Raise ValueError."""
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(readable(text), parse_constant=lambda _: None)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
