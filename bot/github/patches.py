"""Parses the patch of a file, as GitHub gives it, into hunks with line numbers of both sides. Pure.

`commentable_lines` tells which lines a review comment may stand on. The patches of a pull request
are in `store.mirror.comparisons`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["LEFT", "RIGHT"]
HEADER = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)")
ADDED, REMOVED, CONTEXT = "+", "-", " "


@dataclass(frozen=True)
class Line:
    """A line of a hunk. `old` and `new` are its numbers on both sides; None where it is not."""

    text: str
    old: int | None
    new: int | None


@dataclass(frozen=True)
class Hunk:
    """`header` is the whole line that begins with @@."""

    header: str
    lines: tuple[Line, ...]


def hunks(patch: str) -> list[Hunk]:
    """The hunks of a file's patch. What stands before the first header is ignored."""
    found: list[Hunk] = []
    header, body = "", list[str]()
    for each in patch.split("\n"):
        if HEADER.match(each):
            if header:
                found.append(_hunk(header, body))
            header, body = each, []
        else:
            body.append(each)
    return [*found, _hunk(header, body)] if header else []


def _hunk(header: str, body: list[str]) -> Hunk:
    return Hunk(header, tuple(_lines(header, body)))


def _lines(header: str, body: list[str]) -> Iterator[Line]:
    start = HEADER.match(header)
    assert start is not None, "a hunk begins with its header"
    old, new = int(start[1]), int(start[2])
    for each in body:
        sign, text = each[:1], each[1:]
        if sign == ADDED:
            yield Line(text, None, new)
        elif sign == REMOVED:
            yield Line(text, old, None)
        elif sign == CONTEXT:
            yield Line(text, old, new)
        # What remains says that the file has no newline at its end.
        old += sign in (REMOVED, CONTEXT)
        new += sign in (ADDED, CONTEXT)


def commentable_lines(patch: str) -> dict[Side, set[int]]:
    """The lines that GitHub takes a review comment on: those in a hunk, by the side of the diff."""
    lines = [each for hunk in hunks(patch) for each in hunk.lines]
    return {
        "LEFT": {each.old for each in lines if each.old is not None},
        "RIGHT": {each.new for each in lines if each.new is not None},
    }


def numbered_lines(hunk: Hunk) -> list[str]:
    """The hunk as text. Each line has its numbers before it: `old|new text`.

    An added line has `+` for its old number, a removed line `-` for its new one.
    """
    return [hunk.header, *map(_numbered_line, hunk.lines)]


def _numbered_line(line: Line) -> str:
    old = ADDED if line.old is None else line.old
    new = REMOVED if line.new is None else line.new
    return f"{old}|{new} {line.text}"
