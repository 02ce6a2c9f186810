"""JSON as columns hold it, by libraries that take a fraction of the standard one's time.

They refuse some of what the standard library accepts, such as half of a surrogate pair. Then the
standard library takes over, so nothing is refused that was stored before.
"""

import json
from typing import Any

import orjson
from pydantic_core import from_json


def text(value: Any) -> str:
    """The value as JSON. NaN and infinity, which JSON does not have, become null."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)


def value(text: str) -> Any:
    """The value of a text. Raise ValueError.

    Not by orjson, which reads an integer of more than 64 bits as a float.
    """
    try:
        return from_json(text)
    except (ValueError, TypeError):  # TypeError: of half of a surrogate pair
        pass
    try:
        return json.loads(text)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
