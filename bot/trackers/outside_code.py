"""Replaces words of a text, except for those in its code."""

import re
from collections.abc import Callable, Iterable

from bot.comments import markdown_lines


def replace(text: str, what: re.Pattern[str], made: Callable[[re.Match[str]], str]) -> str:
    is_code = positions_in(text, markdown_lines.code_ranges(text))
    return what.sub(lambda each: each[0] if is_code[each.start()] else made(each), text)


def positions_in(text: str, ranges: Iterable[tuple[int, int]]) -> bytearray:
    """Of each position, whether it is in one of the ranges."""
    found = bytearray(len(text) + 1)
    for start, end in ranges:
        found[start:end] = b"\1" * (end - start)
    return found
