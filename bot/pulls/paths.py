"""Which paths of a repository lie in each other. Pure functions."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

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


class Area(NamedTuple):
    """The files and folders of one side, and all folders that contain them."""

    own: frozenset[str]
    parents: frozenset[str]


def area(paths: Iterable[Path]) -> Area:
    own = frozenset(each.target for each in paths)
    return Area(own, frozenset(folder for each in own for folder in _up(each)))


def shared_paths(mine: Area, theirs: Iterable[Path]) -> list[str]:
    """The paths of theirs that lie in one of mine, or that contain one of mine."""
    shared = (
        each.written
        for each in theirs
        if each.target in mine.parents or not mine.own.isdisjoint(_up(each.target))
    )
    return list(islice(dict.fromkeys(shared), MOST_PATHS))


def inside(files: Iterable[str], names: Iterable[str]) -> list[str]:
    """Which of the files lie in the named paths."""
    own = area(paths_from(names)).own
    return [each for each in files if not own.isdisjoint(_up(each))]


def _up(path: str) -> list[str]:
    """The path and each folder that contains it, up to "", the whole repository."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:n]) for n in range(len(parts) + 1)]
