"""What Hubbub keeps of the code of repositories: commits, folders, files and diffs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from bot.github import git_objects
from bot.github.git_objects import Entry
from store.engine.transaction import Tx
from store.mirror import code_objects
from store.mirror.code_objects import Here

# A larger file is not kept, in bytes.
MOST_BLOB = 1024**2
# The patches of one diff, in characters. GitHub gives patches of two or three megabytes at most.
MOST_PATCHES = 2 * 1024**2


class FileDiff(TypedDict):
    """`previous` is the path before a rename. `patch` is None if there is none to show."""

    path: str
    previous: str | None
    status: str
    additions: int
    deletions: int
    patch: str | None


class Diff(TypedDict):
    """What a head changes since its merge base. `whole`: no file is missing in the list."""

    files: list[FileDiff]
    whole: bool
    merge_base: str | None


async def put_name(tx: Tx, here: Here, name: str, sha: str) -> None:
    """Store which commit a tag, or a branch that the mirror does not have, names now."""
    await code_objects.put(tx, here, "name", name, sha.encode())


async def put_commit(tx: Tx, here: Here, sha: str, tree: str) -> None:
    await code_objects.put_all(tx, here, "commit", {sha: tree.encode()})


async def put_folders(tx: Tx, here: Here, folders: Mapping[str, Iterable[Entry]]) -> None:
    dumped = {sha: git_objects.dump(entries) for sha, entries in folders.items()}
    await code_objects.put_all(tx, here, "tree", dumped)


async def put_blobs(tx: Tx, here: Here, contents: Iterable[bytes]) -> None:
    """Store files, but not those that are too large."""
    by_sha = {git_objects.blob_sha(each): each for each in contents if len(each) <= MOST_BLOB}
    await code_objects.put_all(tx, here, "blob", by_sha)


async def put_diff(tx: Tx, here: Here, key: str, diff: Diff) -> None:
    """Store a diff. Of too many patches only the first are kept."""
    room = MOST_PATCHES
    kept: list[FileDiff] = []
    for each in diff["files"]:
        size = len(each["patch"] or "")
        fits = size <= room
        room -= size if fits else 0
        kept.append(each if fits else {**each, "patch": None})
    await code_objects.put(tx, here, "diff", key, json.dumps({**diff, "files": kept}).encode())


async def root_of(tx: Tx, here: Here, commit: str) -> str | None:
    """The SHA of a commit's root folder."""
    found = await code_objects.get(tx, here, "commit", commit)
    return found.decode() if found is not None else None


async def folder(tx: Tx, here: Here, sha: str) -> list[Entry] | None:
    found = await code_objects.get(tx, here, "tree", sha)
    return None if found is None else git_objects.load(found)


async def folders(tx: Tx, here: Here, shas: Sequence[str]) -> dict[str, list[Entry]]:
    """Those of the folders that are there."""
    found = await code_objects.get_all(tx, here, "tree", shas)
    return {sha: git_objects.load(content) for sha, content in found.items()}


async def file_at(tx: Tx, here: Here, commit: str, path: str) -> bytes | None:
    """The file at a path of a commit, if all that leads to it is there."""
    *names, name = path.split("/")
    at = await root_of(tx, here, commit)
    for each in names:
        at = _sha_in(await folder(tx, here, at), each) if at else None
    file = _sha_in(await folder(tx, here, at), name) if at else None
    return await code_objects.get(tx, here, "blob", file) if file else None


def _sha_in(entries: Iterable[Entry] | None, name: str) -> str | None:
    return next((each.sha for each in entries or () if each.name == name), None)


async def diff(tx: Tx, here: Here, key: str) -> Diff | None:
    found = await code_objects.get(tx, here, "diff", key)
    if found is None:
        return None
    loaded: Diff = json.loads(found)
    return loaded


def comparison_key(base: str, head: str) -> str:
    return f"{base}...{head}"


def pull_key(number: int, base_ref: str, head_sha: str) -> str:
    """Of a pull request's diff. It follows from the head and from the branch to merge into."""
    return f"pull {number} {head_sha} {base_ref}"[:400]
