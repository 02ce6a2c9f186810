"""Everything secret derives from HUBBUB_SECRET_KEY: one key per purpose, by HKDF."""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.settings import Settings, WrongSettings
from store.engine import key_values
from store.engine.database import sqlite_path
from store.engine.transaction import Store

SHORTEST = 32
# How long the name of a secret is.
KEY_ID = 8
# The fact that says which secret the database is bound to.
BOUND = "secret_key_id"
NONCE = 12


class Broken(Exception):
    """What was sealed was changed since, or belongs elsewhere, or its secret is not known."""


class Keys:
    """`former`: secrets that were in use before. What came of them is known, and made no more."""

    def __init__(self, secret: str, former: Iterable[str] = ()) -> None:
        self._secret = secret.encode()
        self.former = tuple(Keys(each) for each in former)

    @property
    def known(self) -> tuple["Keys", ...]:
        """Of each secret, the one in use first."""
        return (self, *self.former)

    def under(self, key_id: str) -> "Keys":
        """Those of the secret with this id. Raise Broken when it is not known."""
        for each in self.known:
            if each.id == key_id:
                return each
        raise Broken(
            f"it is of the secret with key id {key_id}, which is neither HUBBUB_SECRET_KEY nor "
            "one of HUBBUB_SECRET_KEY_OLD"
        )

    def derive(self, purpose: str) -> bytes:
        """32 bytes for this purpose and no other."""
        info = f"hubbub {purpose}".encode()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._secret)

    @cached_property
    def id(self) -> str:
        """Names the secret without telling it: stands in tokens and in the database."""
        return hashlib.sha256(self.derive("key id")).hexdigest()[:KEY_ID]

    def sign(self, purpose: str, text: str) -> str:
        """A hex HMAC-SHA256 of `text`."""
        return hmac.new(self.derive(purpose), text.encode(), hashlib.sha256).hexdigest()

    def seal(self, purpose: str, about: str, content: bytes) -> bytes:
        """AES-256-GCM. It opens only with the same `about`: no row's content fits another row."""
        nonce = secrets.token_bytes(NONCE)
        return nonce + AESGCM(self.derive(purpose)).encrypt(nonce, content, about.encode())

    def open(self, purpose: str, about: str, sealed: bytes) -> bytes:
        """Raise Broken."""
        try:
            return AESGCM(self.derive(purpose)).decrypt(
                sealed[:NONCE], sealed[NONCE:], about.encode()
            )
        except (InvalidTag, ValueError) as exc:
            raise Broken("it was changed since it was sealed") from exc


def load(settings: Settings, *, make: bool) -> Keys:
    """The secret of the settings, or of the file beside the SQLite database.

    `make`: a missing file is made; otherwise WrongSettings.
    """
    former = _former(settings)
    if settings.secret_key:
        secret = _long_enough(settings.secret_key.get_secret_value(), "HUBBUB_SECRET_KEY")
        return Keys(secret, former)
    path = sqlite_path(settings.database_url)
    if path is None:
        raise WrongSettings(
            "HUBBUB_SECRET_KEY is not set, and with MySQL it must be: all processes share it. "
            'Make one with `python3 -c "import secrets; print(secrets.token_urlsafe(48))"`.'
        )
    return Keys(_beside(Path(f"{path}.key"), make=make), former)


def _former(settings: Settings) -> list[str]:
    """A comma may also be part of a secret: then it stands alone."""
    if not settings.secret_key_old:
        return []
    whole = _long_enough(settings.secret_key_old.get_secret_value(), "HUBBUB_SECRET_KEY_OLD")
    parts = [each for part in whole.split(",") if (each := part.strip())]
    if min(map(len, parts)) < SHORTEST:
        return [whole]
    return parts if parts == [whole] else [*parts, whole]


def _beside(path: Path, *, make: bool) -> str:
    try:
        if make and not path.exists():
            _make(path)
        return _long_enough(path.read_text().strip(), str(path))
    except OSError as exc:
        raise WrongSettings(
            f"Cannot read or make the secret's file {path}: {exc.strerror}. "
            "Set HUBBUB_SECRET_KEY, or let HUBBUB_DATABASE_URL name a folder that can be written."
        ) from exc


def _make(path: Path) -> None:
    """Written whole under another name first: a process killed here leaves no half key."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(base64.urlsafe_b64encode(secrets.token_bytes(48)).decode())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was quicker: its key holds
    finally:
        draft.unlink()


def _long_enough(secret: str, where: str) -> str:
    if len(secret) < SHORTEST:
        raise WrongSettings(
            f"{where} has {len(secret)} characters; it must have {SHORTEST} or more. "
            'Make one with `python3 -c "import secrets; print(secrets.token_urlsafe(48))"`.'
        )
    return secret


async def check(store: Store, keys: Keys) -> None:
    """Bind an empty database to the secret; refuse one that is bound to an unknown one."""
    bound = await store.write(lambda tx: key_values.put_if_absent(tx, BOUND, keys.id))
    if bound not in {each.id for each in keys.known}:
        raise WrongSettings(
            f"The database was filled with another secret (key id {bound}, this one is {keys.id}). "
            "Set HUBBUB_SECRET_KEY to the one it was filled with, or restore the .key file "
            "beside the SQLite file. If the secret was changed on purpose, name the former one in "
            "HUBBUB_SECRET_KEY_OLD."
        )
