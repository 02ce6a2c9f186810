"""Makes a backup: one consistent snapshot in one file, complete or not there at all."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

from bot.backup import content, frames
from bot.backup.archive import ArchiveWriter, Header
from bot.backup.content import Manifest
from bot.identity.keyring import BOUND
from bot.settings import WrongSettings
from bot.times import SECOND
from store.backup.snapshot import Snapshot, open_snapshot
from store.engine import schema_version
from store.engine.database import system_clock
from store.engine.transaction import StoreError

SUFFIX = ".backup"
# A file that is being written. A killed process may leave one.
DRAFT = ".part"


@dataclass(frozen=True)
class Backup:
    """A backup that was made. `size`: of the file, in bytes."""

    path: Path
    manifest: Manifest
    size: int
    took_s: float


def new_path(folder: Path, now: int) -> Path:
    """The name of a backup made now. Names sort by time."""
    at = datetime.fromtimestamp(now / SECOND, UTC)
    return folder / f"hubbub-{at:%Y%m%dT%H%M%S}Z{SUFFIX}"


def create_backup(
    url: str,
    path: Path,
    passphrase: bytes | None = None,
    *,
    code: bool = False,
    clock: Callable[[], int] = system_clock,
) -> Backup:
    """Blocks. Raise StoreError, and WrongSettings if the file exists or cannot be written.

    `clock`: microseconds UTC, for tests.
    """
    if path.exists():
        raise WrongSettings(f"{path} exists already. Name a new file.")
    began = clock()
    if wrong := schema_version.check(url):
        raise StoreError(f"The database cannot be backed up: {wrong}.")
    with open_snapshot(url) as snapshot, _new_file(path) as file:
        manifest = _write(snapshot, file, began, passphrase, code=code)
    return Backup(path, manifest, path.stat().st_size, (clock() - began) / SECOND)


def _write(
    snapshot: Snapshot, file: BinaryIO, now: int, passphrase: bytes | None, *, code: bool
) -> Manifest:
    bound = snapshot.one(f"SELECT value FROM facts WHERE name = '{BOUND}'")
    if bound is None:
        raise StoreError("The database belongs to no secret yet: no server used it. Run `serve`.")
    revision = str(snapshot.one("SELECT version_num FROM alembic_version"))
    encryption = frames.parameters() if passphrase is not None else None
    header = Header(now, revision, str(bound), metadata.version("hubbub"), encryption)
    manifest = Manifest(now, revision, str(bound), code, heads=_heads(snapshot))
    writer = ArchiveWriter(file, header, passphrase)
    content.dump(snapshot, manifest, writer.write)
    writer.end()
    return manifest


def _heads(snapshot: Snapshot) -> dict[str, int]:
    q = "SELECT installation_id, seq FROM heads ORDER BY installation_id"
    return {str(i): seq for batch in snapshot.select(q) for i, seq in batch}


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file for its owner only, which has its name once it is complete and on the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{DRAFT}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_folder(path.parent)
    except OSError as exc:
        raise WrongSettings(f"Cannot write {path}: {exc.strerror or exc}.") from exc
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
