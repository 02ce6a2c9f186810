"""Whether two pull requests change the same functions and classes of a file, or different ones.

It only informs. Where the mirror lacks a file or its changed lines, they are read from GitHub, and
the next look knows more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from bot.pulls import symbols
from bot.pulls.symbol_cache import CACHE
from store.engine.transaction import Tx
from store.mirror import code_objects
from store.mirror.code_objects import Here
from store.mirror.pulls import ChangedFile

# Files of one overlap that are compared, and symbols that are named.
MOST_FILES, MOST_NAMES = 5, 10


@dataclass(frozen=True)
class Compared:
    """`same`: symbols that both change, as path: name. `apart`: paths in which there are none.

    `lacking`: by side, mine first, whether changed lines are not known. `blobs`: contents that the
    mirror lacks.
    """

    same: list[str] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)
    lacking: tuple[bool, bool] = (False, False)
    blobs: frozenset[str] = frozenset()


class Pair(NamedTuple):
    mine: ChangedFile
    theirs: ChangedFile


def pairs(mine: Iterable[ChangedFile], theirs: Iterable[ChangedFile]) -> list[Pair]:
    """The files that both change and that a parser reads. A renamed file is also its old path."""
    by_path = {path: each for each in theirs for path in paths_of(each)}
    found = (
        Pair(each, other)
        for each in mine
        if (other := next((by_path[p] for p in paths_of(each) if p in by_path), None))
        and symbols.parser_of(each["path"])
        and "removed" not in (each["status"], other["status"])
    )
    return list(islice(found, MOST_FILES))


def paths_of(file: ChangedFile) -> list[str]:
    """The path now, and the one before a rename."""
    previous = file.get("previous")
    return [file["path"], *([previous] if previous else [])]


async def compare(
    tx: Tx, here: Here, mine: Sequence[ChangedFile], theirs: Sequence[ChangedFile]
) -> Compared:
    found = pairs(mine, theirs)
    shas = {each["blob"] for pair in found for each in pair if each.get("blob")}
    contents = await code_objects.get_all(tx, here, "blob", shas) if shas else {}
    same: list[str] = []
    apart: list[str] = []
    for pair in found:
        mine_touch, their_touch = (_touched_symbols(each, contents) for each in pair)
        if mine_touch is None or their_touch is None:
            continue
        both = sorted(mine_touch & their_touch)
        same += [f"{pair.mine['path']}: {name}" for name in both]
        if not both:
            apart.append(pair.mine["path"])
    lacking = (
        any(not _has_lines(pair.mine) for pair in found),
        any(not _has_lines(pair.theirs) for pair in found),
    )
    return Compared(same[:MOST_NAMES], apart, lacking, frozenset(shas - contents.keys()))


def _has_lines(file: ChangedFile) -> bool:
    """Whether GitHub was asked. For a large or a binary file it gives no lines."""
    return "blob" in file


def _touched_symbols(file: ChangedFile, contents: dict[str, bytes]) -> set[str] | None:
    """The symbols that the change touches. None: not known."""
    blob, edits = file.get("blob"), file.get("edits")
    if blob is None or not edits or blob not in contents:
        return None
    found = CACHE.get(file["path"], blob, contents[blob])
    return None if found is None else symbols.touched_symbols(found, edits)
