"""Writes files whole or not at all; those with secrets so that only their owner can read them."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.settings import WrongSettings

PRIVATE, SHARED = 0o600, 0o644


class NotWritten(WrongSettings, OSError):
    """A folder that is missing or belongs to another user, or a full disk."""


def write(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Replace a file. A killed process leaves the old one or the new one. Owner and links stay."""
    path = path.resolve()
    with _errors_about(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _draft(path, content) as draft:
            _keep_owner(path, draft)
            draft.chmod(mode)
            draft.replace(path)
            _flush_folder(path.parent)


def create(path: Path, content: bytes) -> Path:
    """Write a new file, beside one of the same name if there is one. Return its path.

    A file with the same content is taken as it is: a killed setup wrote it.
    """
    with _errors_about(path), _draft(path, content) as draft:
        for each in _numbered_names(path):
            if each.exists() and each.read_bytes() == content:
                return each
            with suppress(FileExistsError):
                # Unlike a rename, a link fails if the name exists.
                os.link(draft, each)
                _flush_folder(path.parent)
                return each
        raise FileExistsError("it and its numbered names exist")


def write_shared(path: Path, content: bytes) -> None:
    """The same for a file without secrets, which others may read as before."""
    mode = path.stat().st_mode & 0o777 if path.exists() else SHARED
    write(path, content, mode)


def back_up(path: Path) -> Path:
    """Copy a file under another name before it is changed. Return the copy's path."""
    return create(path.with_name(f"{path.name}.before-hubbub"), path.read_bytes())


def _numbered_names(path: Path) -> list[Path]:
    others = [path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(2, 100)]
    return [path, *others]


@contextmanager
def _errors_about(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        failed = NotWritten(f"Cannot write {path}: {exc.strerror or exc}.")
        failed.strerror = exc.strerror
        raise failed from exc


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    made = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(made, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _keep_owner(path: Path, draft: Path) -> None:
    """Root may write a file of the account under which the server runs."""
    if path.exists() and (found := path.stat()).st_uid != os.getuid():
        os.chown(draft, found.st_uid, found.st_gid)


def _flush_folder(folder: Path) -> None:
    found = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(found)
    finally:
        os.close(found)
