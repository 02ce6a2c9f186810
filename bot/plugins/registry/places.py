"""Where a registry is: a folder of this machine, or a repository that the mirror has.

Files of a repository are read as agents read code: a read is queued, and another process may fetch
the file from GitHub.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.mirror import code, reads
from bot.mirror.code import MOST_BLOB
from bot.mirror.reads import Read
from bot.plugins.package import WrongPackage
from store.engine.transaction import Store, Tx
from store.fetch import pending_reads
from store.mirror import branches, code_objects, stored_repositories
from store.mirror.code_objects import Here
from store.plugins import registries
from store.tables.mirror import RepositoryRow
from store.tables.plugins import PluginRegistryRow

# Who asks GitHub for its files.
ASKER = "plugin registries"


class Pending(Exception):
    """Not all of it has been read from GitHub yet."""


async def read(store: Store, row: PluginRegistryRow, wanted: Mapping[str, int]) -> dict[str, bytes]:
    """Files by their paths, each with the most bytes. Raise WrongPackage or Pending."""
    if row["source"] == "folder":
        folder = Path(row["place"])
        return await asyncio.to_thread(_from_folder, folder, wanted)
    found, missing = await store.write(lambda tx: _from_repository(tx, row, wanted))
    if missing:
        raise Pending
    return found


def _from_folder(folder: Path, wanted: Mapping[str, int]) -> dict[str, bytes]:
    root, found = folder.resolve(), {}
    for path, most in wanted.items():
        file = (root / path).resolve()
        if not file.is_relative_to(root):
            raise WrongPackage(f"{path} leads outside of the registry.")
        try:
            with file.open("rb") as opened:
                found[path] = opened.read(most + 1)
        except OSError as exc:
            raise WrongPackage(f"Cannot read {path} of {folder}: {exc.strerror}.") from exc
        if len(found[path]) > most:
            raise _too_large(path, most)
    return found


def _too_large(path: str, most: int) -> WrongPackage:
    return WrongPackage(f"{path} has more than {most} bytes.")


@dataclass
class _Look:
    """Reads what the database has of one commit, and collects what it lacks."""

    tx: Tx
    here: Here
    missing: list[Read] = field(default_factory=list)
    used: dict[code_objects.Kind, set[str]] = field(default_factory=dict)

    async def file(self, root: str, path: str, most: int) -> bytes | None:
        """None if it must be read first. Raise WrongPackage."""
        *folders, name = path.split("/")
        at: str | None = root
        for each in folders:
            at = await self._sha_in(at, each, path) if at else None
        sha = await self._sha_in(at, name, path, min(most, MOST_BLOB)) if at else None
        if sha is None:
            return None
        self.used.setdefault("blob", set()).add(sha)
        found = await code_objects.get(self.tx, self.here, "blob", sha)
        if found is None:
            await self._need(reads.blob(self.here[1], sha))
        return found

    async def root(self, commit: str) -> str | None:
        self.used.setdefault("commit", set()).add(commit)
        found = await code.root_of(self.tx, self.here, commit)
        if found is None:
            await self._need(reads.tree(self.here[1], commit, of_commit=True))
        return found

    async def _sha_in(self, folder: str, name: str, path: str, most: int = 0) -> str | None:
        self.used.setdefault("tree", set()).add(folder)
        entries = await code.folder(self.tx, self.here, folder)
        if entries is None:
            await self._need(reads.tree(self.here[1], folder))
            return None
        entry = next((each for each in entries if each.name == name), None)
        if entry is None or entry.is_folder == bool(most):
            raise WrongPackage(f"The registry has no file {path}.")
        if most and entry.size > most:
            raise _too_large(path, most)
        return entry.sha

    async def _need(self, wanted: Read) -> None:
        row = await pending_reads.get(self.tx, self.here[0], wanted.kind, wanted.subject)
        if row and row["state"] == "answered" and row["error"]:
            raise WrongPackage(f"GitHub refused to show the registry: {row['error']}.")
        self.missing.append(wanted)


async def _from_repository(
    tx: Tx, row: PluginRegistryRow, wanted: Mapping[str, int]
) -> tuple[dict[str, bytes], bool]:
    """The files, and whether some must be read from GitHub first."""
    where = await _repository(tx, row)
    here = where["installation_id"], where["id"]
    head = await branches.get(tx, *here, where["default_branch"])
    if head is None:
        raise WrongPackage(f"{row['place']} has no commit yet.")
    look = _Look(tx, here)
    root, found = await look.root(head["sha"]), {}
    for path, most in wanted.items():
        content = await look.file(root, path, most) if root else None
        if content is not None:
            found[path] = content
    now = await tx.now()
    if look.missing:
        unique = list({(each.kind, each.subject): each for each in look.missing}.values())
        await reads.queue_for(tx, here[0], ASKER, unique, now)
    for kind, ids in look.used.items():
        await code_objects.mark_used(tx, here=here, kind=kind, ids=ids)
    return found, bool(look.missing)


async def _repository(tx: Tx, row: PluginRegistryRow) -> RepositoryRow:
    """Raise WrongPackage."""
    found = None
    if row["home"] is not None and row["repository_id"] is not None:
        found = await stored_repositories.repository_by_id(tx, row["home"], row["repository_id"])
    if found is None or found["full_name_key"] != row["place"].casefold():
        every = await stored_repositories.present_repositories(tx)
        found = None
        for one in every:
            if one["full_name"].casefold() == row["place"].casefold():
                here = one["installation_id"], one["id"]
                found = await stored_repositories.repository_by_id(tx, *here)
    if found is None:
        raise WrongPackage(
            f"The App is not installed on {row['place']}. Install it there, or add a folder."
        )
    await registries.put_place(
        tx, row["place"], found["installation_id"], found["id"], is_public=not found["private"]
    )
    return found
