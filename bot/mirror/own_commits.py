"""Keeps the files that agents commit, and the folders that result, so that nobody reads them."""

from base64 import b64decode
from collections import defaultdict
from collections.abc import Mapping

from bot.github import git_objects
from bot.github.git_objects import FILE, FOLDER, Entry
from bot.mirror import code
from store.engine.transaction import Tx
from store.mirror.code_objects import Here
from store.tables.outbox import WriteRow

Changes = Mapping[str, Entry | None]


class _Unknown(Exception):
    """A folder is not there, or what GitHub makes of the change is not certain."""


async def keep(tx: Tx, write: WriteRow, parent: str | None) -> None:
    """Keep what a commit made. The folders only if those of its parent are there."""
    here = (write["installation_id"], write["repository_id"])
    contents = {each["path"]: _content(each) for each in write["arguments"]["files"]}
    await code.put_blobs(tx, here, contents.values())
    root = await code.root_of(tx, here, parent) if parent else None
    if root is None:
        return
    changes: dict[str, Entry | None] = dict.fromkeys(write["arguments"]["delete"])
    for path, content in contents.items():
        sha = git_objects.blob_sha(content)
        changes[path] = Entry(path.rpartition("/")[2], FILE, sha, len(content))
    made: dict[str, list[Entry]] = {}
    try:
        await _change_folder(tx, here, root, changes, made)
    except _Unknown:
        return
    await code.put_folders(tx, here, made)


def _content(file: Mapping[str, str]) -> bytes:
    return b64decode(file["content"]) if file.get("base64") else file["content"].encode()


async def _change_folder(
    tx: Tx, here: Here, sha: str | None, changes: Changes, made: dict[str, list[Entry]]
) -> str | None:
    """The SHA of a folder after the changes, None if it is empty. Add all new folders to `made`."""
    before = await code.folder(tx, here, sha) if sha else []
    if before is None:
        raise _Unknown
    entries = {each.name: each for each in before}
    below: defaultdict[str, dict[str, Entry | None]] = defaultdict(dict)
    for path, change in changes.items():
        name, _, rest = path.partition("/")
        if rest:
            below[name][rest] = change
        else:
            _put(entries, name, change)
    for name, inner in below.items():
        old = entries.get(name)
        if old is not None and not old.is_folder:
            raise _Unknown
        new = await _change_folder(tx, here, old.sha if old else None, inner, made)
        _put(entries, name, Entry(name, FOLDER, new) if new else None, may_be=FOLDER)
    if not entries:
        return None
    kept = git_objects.in_order(entries.values())
    result = git_objects.tree_sha(kept)
    made[result] = kept
    return result


def _put(entries: dict[str, Entry], name: str, new: Entry | None, *, may_be: str = FILE) -> None:
    """Put an entry, or remove it. What happens to the mode of an executable file is not certain."""
    old = entries.pop(name, None)
    if new is None:
        return
    if old is not None and old.mode != may_be:
        raise _Unknown
    entries[name] = new
