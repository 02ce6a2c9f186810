"""Cuts texts to the size that a caller asks for. Pure."""

from dataclasses import dataclass

from bot.operations.token_sizes import BYTES, fit, size

# What an answer has beside its files, in bytes.
OVERHEAD = 300


@dataclass(frozen=True)
class Cut:
    """Lines of a text. `lines`: how many it has. `next_line`: the first that is not shown."""

    text: str
    lines: int
    next_line: int | None
    note: str | None = None


def room_for(max_tokens: int) -> int:
    """The bytes that the files of an answer may take."""
    return max_tokens * BYTES - OVERHEAD


def cut_lines(text: str, start_line: int, room: int) -> Cut:
    """As many whole lines from `start_line` as fit. A first line that is too long is cut."""
    lines = _lines(text)
    wanted = lines[start_line - 1 :]
    kept = 0
    for line in wanted:
        room -= size(line) - 2
        if room < 0:
            break
        kept += 1
    if wanted and not kept:
        return _cut_line(wanted[0], len(lines), start_line, room + size(wanted[0]) - 2)
    end = start_line + kept
    note = None if wanted or not lines else f"The file has only {len(lines)} lines."
    return Cut("".join(wanted[:kept]), len(lines), end if end <= len(lines) else None, note)


def _cut_line(line: str, lines: int, number: int, room: int) -> Cut:
    shown = fit(line, max(room, 100))
    following = number + 1 if number < lines else None
    note = f"Line {number} is cut: {len(shown)} of {len(line)} characters."
    return Cut(shown, lines, following, note)


def _lines(text: str) -> list[str]:
    """The lines with their ends. As in git, only a line feed ends a line."""
    *whole, last = text.split("\n")
    return [f"{each}\n" for each in whole] + ([last] if last else [])
