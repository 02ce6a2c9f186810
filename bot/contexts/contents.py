"""What a context or a checkpoint may hold: a text, or any other JSON, and its bytes."""

import json
import math
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from pydantic_core import PydanticCustomError

from bot.errors import Refused

Kind: TypeAlias = Literal["json", "text"]
# In bytes of UTF-8, as it is kept before it is packed.
LARGEST = 1_000_000
# How many lists and objects within each other.
DEEPEST = 100
# Of a number, in bits: Python reads no more than 4,300 digits.
LONGEST = 10_000


def keepable(content: Any) -> Any:
    """A validator: what JSON and UTF-8 have, and no deeper than anybody can read it."""
    level, seen = [content], 0
    for _ in range(DEEPEST + 1):
        level = [each for value in level for each in _within(value)]
        seen += len(level)
        if not level:
            return content
        if seen > LARGEST:  # each takes a byte at least
            raise _unfit("it has more than {n} bytes", n=LARGEST)
    raise _unfit("lists and objects are nested more than {n} deep", n=DEEPEST)


def _within(value: Any) -> Iterator[Any]:
    """What a list or an object has in it. Raise for a value that cannot be kept."""
    if isinstance(value, str):
        _encoded(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _unfit("NaN and Infinity are no JSON")
    elif isinstance(value, int) and value.bit_length() > LONGEST:
        raise _unfit("a number has more than {n} bits", n=LONGEST)
    elif isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise _unfit("half of a surrogate pair is no character") from exc


def _unfit(why: Any, **values: int) -> PydanticCustomError:
    return PydanticCustomError("content", why, values)


def kind_of(content: Any) -> Kind:
    return "text" if isinstance(content, str) else "json"


def written(content: Any) -> bytes:
    """Equal contents give equal bytes."""
    if isinstance(content, str):
        return content.encode()
    return json.dumps(
        content, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def sized(content: Any) -> bytes:
    """The content's bytes. Raise Refused when they are too many."""
    made = written(content)
    if len(made) > LARGEST:
        raise Refused(
            "too_large",
            f"`content` has {len(made)} bytes, and a context has {LARGEST} at most: divide it, or "
            "keep the bulk in the repository and its path here.",
            size=len(made),
            largest=LARGEST,
        )
    return made
