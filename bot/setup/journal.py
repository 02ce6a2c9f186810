"""What a setup knows so far, in a private file: after a kill, the next run goes on from there.

GitHub shows an App's private key once, so the answer is stored before anything else is done.
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bot.settings import WrongSettings
from bot.setup import private_files
from bot.setup.conversion import CreatedApp
from bot.setup.manifest import NewApp

NAME = ".hubbub-setup.json"


@dataclass(frozen=True)
class Journal:
    app: NewApp
    # GitHub gives it back with the code, so that no other page can bring a code of its own.
    state: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    # The secret part of the page's address.
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    # The page's port: a browser may still be on its way back to it after a kill.
    port: int = 0
    created: CreatedApp | None = None
    # The App was registered by hand, so GitHub does not have our webhook secret yet.
    has_own_secret: bool = False


class Keeper:
    """The journal beside a settings file."""

    def __init__(self, env_file: Path) -> None:
        self.path = env_file.absolute().parent / NAME

    def load(self) -> Journal | None:
        """Raise WrongSettings if the file is damaged."""
        try:
            return _journal(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as exc:
            raise WrongSettings(
                f"{self.path} is damaged. Remove it and run `hubbub setup` again."
            ) from exc

    def save(self, journal: Journal) -> Journal:
        """Raise WrongSettings if the folder cannot be written."""
        try:
            private_files.write(self.path, json.dumps(asdict(journal), indent=2).encode())
        except OSError as exc:
            raise WrongSettings(
                f"Cannot write {self.path}: {exc.strerror}. Make the folder writable."
            ) from exc
        return journal

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Raise WrongSettings if another setup runs in this folder, or if there is none."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY)
        except OSError as exc:
            raise WrongSettings(f"Cannot open {self.path.parent}: {exc.strerror}.") from exc
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as exc:
            raise WrongSettings(
                f"Another `hubbub setup` runs in {self.path.parent}. Finish that one first."
            ) from exc
        finally:
            os.close(folder)


def _journal(stored: dict[str, Any]) -> Journal:
    created = CreatedApp(**stored["created"]) if stored["created"] else None
    return Journal(**{**stored, "app": NewApp(**stored["app"]), "created": created})
