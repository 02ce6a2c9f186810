"""Which paths the files of a package may have."""

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

LONGEST = 200
# Python runs it in place of the source that people and the scan read.
COMPILED = (".pyc", ".pyo")


class WrongPath(Exception):
    """The text says why."""


def check(name: str) -> None:
    """Raise WrongPath."""
    path = PurePosixPath(name)
    if (
        not name
        or len(name) > LONGEST
        or name.endswith("/")
        or path.is_absolute()
        or path.as_posix() != name
        or ".." in path.parts
        or not name.isprintable()
        or any(each in name for each in '\\:*?"<>|')
    ):
        raise WrongPath(
            f"The path {name[:LONGEST]!r} is not allowed. Use relative paths of plain files."
        )
    if path.suffix.lower() in COMPILED or "__pycache__" in path.parts:
        raise WrongPath(f"{name!r} is compiled Python, which no scan can read. Leave it out.")


def check_apart(names: Iterable[str]) -> None:
    """No two are the same file, or a file and its folder, on some file system. Raise WrongPath."""
    plain: dict[str, str] = {}
    for name in names:
        if plain.setdefault(_plain(name), name) != name:
            raise WrongPath(f"It has two files {name!r}.")
    for key, name in plain.items():
        for folder in PurePosixPath(key).parents:
            if str(folder) in plain:
                file = plain[str(folder)]
                raise WrongPath(f"{file!r} is both a file and the folder of {name!r}.")


def _plain(name: str) -> str:
    """The same for names that a file system may take for one: by case, or how é is written."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", name).casefold())
