"""The content of a context or checkpoint: a text or other JSON, its limits and its bytes."""

import json
import math
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from pydantic_core import PydanticCustomError

from bot.errors import Refused

Kind: TypeAlias = Literal["json", "text"]
# In bytes of UTF-8, before compression.
LARGEST = 1_000_000
# How deep lists and objects may be nested.
DEEPEST = 100
# Bits of a number. Python reads at most 4,300 digits.
LONGEST = 10_000


def validate(content: Any) -> Any:
    """Return the content. Raise if it is not JSON in UTF-8, or is too large or too deep."""
    level, seen = [content], 0
    for _ in range(DEEPEST + 1):
        level = [each for value in level for each in _within(value)]
        seen += len(level)
        if not level:
            return content
        if seen > LARGEST:  # each value has at least one byte
            raise _invalid("it has more than {n} bytes", n=LARGEST)
    raise _invalid("lists and objects are nested more than {n} deep", n=DEEPEST)


def _within(value: Any) -> Iterator[Any]:
    """The values in a list or an object. Raise for a value that cannot be stored."""
    if isinstance(value, str):
        _encode(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _invalid("NaN and Infinity are not JSON")
    elif isinstance(value, int) and value.bit_length() > LONGEST:
        raise _invalid("a number has more than {n} bits", n=LONGEST)
    elif isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise _invalid("half of a surrogate pair is not a character") from exc


def _invalid(why: Any, **values: int) -> PydanticCustomError:
    return PydanticCustomError("content", why, values)


def kind_of(content: Any) -> Kind:
    return "text" if isinstance(content, str) else "json"


def canonical_bytes(content: Any) -> bytes:
    """The content as canonical bytes, so that equal contents have equal bytes."""
    if isinstance(content, str):
        return content.encode()
    return json.dumps(
        content, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def bytes_within_limit(content: Any) -> bytes:
    """The content's bytes. Raise Refused if there are too many."""
    found = canonical_bytes(content)
    if len(found) > LARGEST:
        raise Refused(
            "too_large",
            f"`content` has {len(found)} bytes; the limit is {LARGEST}. Split it into several "
            "contexts, or commit it to the repository and store its path here.",
            size=len(found),
            largest=LARGEST,
        )
    return found
