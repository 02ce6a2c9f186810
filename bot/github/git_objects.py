"""Git's objects, as far as Hubbub keeps them: files and folders with the SHAs that git gives. Pure.

An object's SHA follows from its content, so an object that Hubbub makes is the one that GitHub has.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.github.payloads import Json, at, maybe_number, text

FOLDER, FILE, LINK, SUBMODULE = "040000", "100644", "120000", "160000"
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
    listed = at(data, "tree")
    for each in listed if isinstance(listed, list) else []:
        path, sha = text(at(each, "path")), text(at(each, "sha"), 64)
        mode = text(at(each, "mode"), 6)
        if path and _is_hex(sha) and mode:
            folder, _, name = path.rpartition("/")
            entry = Entry(name, mode, sha, maybe_number(at(each, "size")) or 0)
            inside.setdefault(folder, []).append(entry)
            if entry.is_folder:
                shas[path] = sha
    return inside, shas


def _is_hex(sha: str) -> bool:
    return len(sha) in (40, 64) and not set(sha) - set("0123456789abcdef")


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
