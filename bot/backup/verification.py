"""Checks that a file is a whole and unchanged backup."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.backup import archive
from bot.backup.archive import Header
from bot.backup.content import Manifest, Reader
from bot.backup.fit import check_fit
from bot.backup.frames import BadBackup
from bot.settings import WrongSettings
from store.engine import schema_version


class UnusableBackup(WrongSettings):
    """The file cannot be restored. The text names it and says why."""


@contextmanager
def reading(path: Path, passphrase: bytes | None) -> Iterator[Reader]:
    """The content of a backup. Raise UnusableBackup."""
    try:
        with path.open("rb") as file:
            yield Reader(archive.read_lines(file, passphrase))
    except OSError as exc:
        raise UnusableBackup(f"Cannot read {path}: {exc.strerror or exc}.") from exc
    except BadBackup as exc:
        raise UnusableBackup(f"{path} cannot be used: {exc}.") from exc


def header_of(path: Path) -> Header:
    """What a backup says of itself without its passphrase. Raise UnusableBackup."""
    try:
        with path.open("rb") as file:
            return archive.read_header(file)[0]
    except OSError as exc:
        raise UnusableBackup(f"Cannot read {path}: {exc.strerror or exc}.") from exc
    except BadBackup as exc:
        raise UnusableBackup(f"{path} cannot be used: {exc}.") from exc


def verify_backup(path: Path, passphrase: bytes | None) -> Manifest:
    """Read all of it: every hash, every count and every type. Raise UnusableBackup."""
    header = header_of(path)
    with reading(path, passphrase) as reader:
        for _ in reader.parts():
            pass
        manifest = reader.manifest
        assert manifest is not None
        promised = (header.created_at, header.revision, header.key_id)
        if promised != (manifest.created_at, manifest.revision, manifest.key_id):
            raise BadBackup("its header is not that of its manifest: the file was changed")
        if schema_version.is_known(manifest.revision):
            check_fit(reader.shapes, manifest.revision)
    return manifest
