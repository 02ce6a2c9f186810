"""Which paths of a repository lie in each other. Pure functions."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

WILD = re.compile(r"[*?\[{]")
# How many shared paths are listed.
MOST_PATHS = 10


class Path(NamedTuple):
    """A path as its holder wrote it, and its file or folder; "" is the whole repository."""

    written: str
    target: str


def paths_from(names: Iterable[str]) -> list[Path]:
    """The paths that holders name. Of a pattern, the part before its first wildcard counts."""
    return [Path(each, _stem(each)) for each in names]


def _stem(path: str) -> str:
    found = WILD.search(path)
    plain = path if found is None else path[: found.start()].rpartition("/")[0]
    return "/".join(part for part in plain.split("/") if part not in ("", "."))


# What lies in a folder begins with it and a slash. Sorted, and none of them lies in another one, so
# a path lies in the last one that is not behind it, or in none. The cost of a look does not depend
# on how deep a path is: somebody without any permission can choose them.
Area: TypeAlias = Sequence[str]


def area(paths: Iterable[Path]) -> Area:
    """The files and folders of one side."""
    found: list[str] = []
    for each in sorted({_folder(path.target) for path in paths}):
        if not (found and each.startswith(found[-1])):
            found.append(each)
    return found


def shared_paths(mine: Area, theirs: Iterable[Path]) -> list[str]:
    """The paths of theirs that lie in one of mine, or that contain one of mine."""
    shared = (
        each.written
        for each in theirs
        if _lies_in(each.target, mine) or _contains_some(each.target, mine)
    )
    return list(islice(dict.fromkeys(shared), MOST_PATHS))


def inside(files: Iterable[str], names: Iterable[str]) -> list[str]:
    """Which of the files lie in the named paths."""
    named = area(paths_from(names))
    return [each for each in files if _lies_in(each, named)]


def _lies_in(path: str, found: Area) -> bool:
    place = bisect_right(found, _folder(path))
    return place > 0 and _folder(path).startswith(found[place - 1])


def _contains_some(path: str, found: Area) -> bool:
    place = bisect_left(found, _folder(path))
    return place < len(found) and found[place].startswith(_folder(path))


def _folder(path: str) -> str:
    return f"{path}/" if path else ""
