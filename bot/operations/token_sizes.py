"""The size of answers in tokens, and texts that are cut to it. Pure."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from store.engine import json_text

# A token is four bytes of compact JSON.
BYTES = 4
Tokens: TypeAlias = Annotated[
    int, Field(ge=200, le=50_000, description="the answer's size, in tokens of four bytes")
]


def size(value: Any) -> int:
    """Bytes of compact JSON, as surfaces send it."""
    return len(json_text.text(value).encode())


def fit(text: str, longest: int) -> str:
    """The longest beginning whose JSON has at most `longest` bytes, without the quotes."""
    if size(text) - 2 <= longest:
        return text
    low, high = 0, min(len(text), longest)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle]) - 2 <= longest:
            low = middle
        else:
            high = middle - 1
    return text[:low]
