"""Git's objects, as far as Hubbub keeps them: files and folders with the SHAs that git gives. Pure.

An object's SHA follows from its content, so an object that Hubbub makes is the one that GitHub has.
"""

import hashlib
import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from bot.github.payloads import BIGGEST, Json, at, text

FOLDER, FILE, LINK, SUBMODULE = "040000", "100644", "120000", "160000"
EXECUTABLE, GROUP_WRITABLE = "100755", "100664"
MODES = frozenset({FOLDER, FILE, LINK, SUBMODULE, EXECUTABLE, GROUP_WRITABLE})
HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# Entries of one list that are looked at, so that a huge repository holds nobody up.
MOST_ENTRIES = 20_000
# Git takes a file for binary if one of so many first bytes is zero.
LOOKED_AT = 8000


@dataclass(frozen=True)
class Entry:
    """What a folder contains. Only files have a `size`, in bytes."""

    name: str
    mode: str
    sha: str
    size: int = 0

    @property
    def is_folder(self) -> bool:
        return self.mode == FOLDER


@dataclass(frozen=True)
class Listing:
    """Folders by their SHA, and which of them is the root; None if GitHub cut that one short."""

    root: str | None
    folders: Mapping[str, Sequence[Entry]]


def blob_sha(content: bytes) -> str:
    return _sha("blob", content)


def tree_sha(entries: Iterable[Entry]) -> str:
    content = b"".join(
        f"{each.mode.lstrip('0')} {each.name}\0".encode() + bytes.fromhex(each.sha)
        for each in in_order(entries)
    )
    return _sha("tree", content)


def _sha(kind: str, content: bytes) -> str:
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """In git's order, in which a folder sorts as if its name ended with a slash."""
    return sorted(entries, key=lambda each: f"{each.name}{'/' * each.is_folder}".encode())


def is_text(content: bytes) -> bool:
    if b"\0" in content[:LOOKED_AT]:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- Folders as GitHub lists them ----------------------------------------------------------------


def listing(data: Json, most: int, asked: str | None = None, *, flat: bool = False) -> Listing:
    """At most `most` of the folders in a list, those nearest to the root.

    `asked` is the SHA of the root, if it is known. A list that GitHub cut short lacks entries. Then
    a folder counts only if it has the SHA that follows from its entries. A `flat` list has only the
    root, and GitHub cuts it at a hundred thousand entries, which has to be enough.
    """
    inside, shas = _by_folder(data)
    is_whole = flat or at(data, "truncated") is not True
    root = asked or tree_sha(inside[""])
    folders: dict[str, Sequence[Entry]] = {}
    waiting = deque([("", root)])
    while waiting and len(folders) < most:
        path, sha = waiting.popleft()
        entries = inside[path]
        if is_whole or (tree_sha(entries) == sha and (path or asked)):
            folders[sha] = in_order(entries)
        below = [f"{path}/{each.name}".lstrip("/") for each in entries if each.is_folder]
        waiting.extend((each, shas[each]) for each in below if each in inside)
    return Listing(root if root in folders else None, folders)


def _by_folder(data: Json) -> tuple[dict[str, list[Entry]], dict[str, str]]:
    """The entries of each folder by its path, and the folders' SHAs by path.

    A folder without entries in the list counts as not listed: git keeps no empty folders.
    """
    inside: dict[str, list[Entry]] = {"": []}
    shas: dict[str, str] = {}
    for each in _nearest(at(data, "tree")):
        path, mode, sha = text(each["path"]), each["mode"], each["sha"]
        folder, _, name = path.rpartition("/")
        inside.setdefault(folder, []).append(Entry(name, mode, sha, each.get("size") or 0))
        if mode == FOLDER:
            shas[path] = sha
    return inside, shas


def _nearest(listed: Json) -> list[dict[str, Json]]:
    """The entries that have the shape of one, without the deepest levels if they are too many.

    A level is left out whole, so that each folder has all of its entries or none.
    """
    found = [each for each in listed if _is_entry(each)] if isinstance(listed, list) else []
    if len(found) <= MOST_ENTRIES:
        return found
    levels = Counter(each["path"].count("/") for each in found)
    sums = accumulate(levels[n] for n in range(max(levels) + 1))
    kept = max(1, sum(total <= MOST_ENTRIES for total in sums))
    return [each for each in found if each["path"].count("/") < kept]


def _is_entry(value: Json) -> bool:
    if not isinstance(value, dict):
        return False
    path, mode, sha = value.get("path"), value.get("mode"), value.get("sha")
    # No name has a zero byte, which ends an entry in what Hubbub keeps.
    named = isinstance(path, str) and path != "" and "\0" not in path
    moded = isinstance(mode, str) and mode in MODES
    size = value.get("size")
    sized = size is None or (isinstance(size, int) and 0 <= size <= BIGGEST)
    return named and moded and sized and isinstance(sha, str) and HEX.fullmatch(sha) is not None


# --- Folders as Hubbub keeps them ----------------------------------------------------------------


def dump(entries: Iterable[Entry]) -> bytes:
    lines = (f"{each.mode} {each.sha} {each.size} {each.name}" for each in entries)
    return "\0".join(lines).encode()


def load(content: bytes) -> list[Entry]:
    found = []
    for line in content.decode().split("\0") if content else []:
        mode, sha, size, name = line.split(" ", 3)
        found.append(Entry(name, mode, sha, int(size)))
    return found
