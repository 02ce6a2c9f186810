"""Data in a message or an artifact, as a text that people and models read."""

import json
from typing import Any

# Levels: with more, indents would be most of the text, or Hubbub would not write it at all.
MOST_INDENTED, DEEPEST = 10, 100


def text_of(data: Any) -> str | None:
    """A block of JSON. None if it is nested too deeply."""
    levels = _levels(data)
    if levels > DEEPEST:
        return None
    indent = 2 if levels <= MOST_INDENTED else None
    return f"```json\n{json.dumps(data, indent=indent, ensure_ascii=False)}\n```"


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
