"""JSON as columns hold it, by libraries that take a fraction of the standard one's time.

They refuse what the standard library accepts, such as half of a surrogate pair. Then it goes on
with the standard library. So nothing that could be stored or read before is refused.
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
    except ValueError:
        return json.loads(text)
