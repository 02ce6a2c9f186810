"""Data and bytes in a message or an artifact: a text that people and models read, and files."""

import json
from collections.abc import Mapping
from typing import Any

STANDARD = str.maketrans("-_", "+/")
# Levels: with more, indents would be most of the text, or Hubbub would not write it at all.
MOST_INDENTED, DEEPEST = 10, 100


def text_of(data: Any) -> str | None:
    """A block of JSON. None if it is nested too deeply."""
    levels = _levels(data)
    if levels > DEEPEST:
        return None
    indent = 2 if levels <= MOST_INDENTED else None
    return f"```json\n{json.dumps(data, indent=indent, ensure_ascii=False)}\n```"


def standard_base64(raw: str) -> str:
    """The JSON of Protocol Buffers also has the form for addresses, and leaves out the end."""
    found = raw.translate(STANDARD).rstrip("=")
    return found + "=" * (-len(found) % 4)


def _levels(data: Any) -> int:
    """At most one more than DEEPEST."""
    inner, levels = [data], 0
    while inner and levels <= DEEPEST:
        inner = [
            child
            for each in inner
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        levels += 1
    return levels


def of_files(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A part with the address of each file of a task or a message."""
    return [
        {"url": each["url"], "filename": each["name"], "mediaType": each["type"]}
        for each in payload.get("attachments", ())
    ]
