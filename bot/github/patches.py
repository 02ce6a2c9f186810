"""Parses the patch of a file into hunks with the line numbers of both sides. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from store.mirror.pulls import Side

HEADER = re.compile(r"@@ -(\d{1,9})(?:,\d{1,9})? \+(\d{1,9})(?:,\d{1,9})? @@(.*)")
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


def line_ranges(found: Sequence[Hunk]) -> dict[Side, list[tuple[int, int]]]:
    """The first and last line of each hunk, by the side of the diff.

    GitHub takes review comments only on these lines.
    """
    sides: dict[Side, list[list[int]]] = {
        "LEFT": [[each.old for each in hunk.lines if each.old is not None] for hunk in found],
        "RIGHT": [[each.new for each in hunk.lines if each.new is not None] for hunk in found],
    }
    return {
        side: [(each[0], each[-1]) for each in numbers if each] for side, numbers in sides.items()
    }


def edited_ranges(found: Sequence[Hunk]) -> list[tuple[int, int]]:
    """The first and last lines of each edit, by the numbers of the new side.

    Where lines were only removed, it is the line before them.
    """
    ranges: list[tuple[int, int]] = []
    for hunk in found:
        at = 0
        for line in hunk.lines:
            if line.new is not None:
                at = line.new
            if line.old is not None and line.new is not None:
                continue
            if ranges and at - 1 <= ranges[-1][1]:
                ranges[-1] = (ranges[-1][0], at)
            else:
                ranges.append((at, at))
    return ranges


def numbered_lines(hunk: Hunk) -> list[str]:
    """The hunk as text. Each line has its numbers before it: `old|new text`.

    An added line has `+` for its old number, a removed line `-` for its new one.
    """
    return [hunk.header, *map(_numbered_line, hunk.lines)]


def _numbered_line(line: Line) -> str:
    old = ADDED if line.old is None else line.old
    new = REMOVED if line.new is None else line.new
    return f"{old}|{new} {line.text}"
