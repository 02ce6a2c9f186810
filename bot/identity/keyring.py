"""Keys for encryption and signatures. HKDF derives one per purpose from HUBBUB_SECRET_KEY."""

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
# Characters of a key id.
KEY_ID = 8
# The key value that names the secret of this database.
BOUND = "secret_key_id"
# In the place of a key id while a backup is being restored, so that no server starts.
BEING_RESTORED = "being restored"
NONCE = 12


class Broken(Exception):
    """Encrypted content was changed or moved, or its secret is unknown."""


class Keys:
    """`former`: secrets that were in use before. Their keys decrypt and verify, nothing more."""

    def __init__(self, secret: str, former: Iterable[str] = ()) -> None:
        self._secret = secret.encode()
        self._derived: dict[str, bytes] = {}
        self.former = tuple(Keys(each) for each in former)

    @property
    def all_keys(self) -> tuple["Keys", ...]:
        """The keys of each secret, the current one first."""
        return (self, *self.former)

    def under(self, key_id: str) -> "Keys":
        """The keys of the secret with this id. Raise Broken if it is unknown."""
        for each in self.all_keys:
            if each.id == key_id:
                return each
        raise Broken(
            f"its secret has the key id {key_id} and is neither HUBBUB_SECRET_KEY nor in "
            "HUBBUB_SECRET_KEY_OLD"
        )

    def derive(self, purpose: str) -> bytes:
        """The key for this purpose: 32 bytes."""
        if purpose not in self._derived:
            info = f"hubbub {purpose}".encode()
            hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
            self._derived[purpose] = hkdf.derive(self._secret)
        return self._derived[purpose]

    @cached_property
    def id(self) -> str:
        """The id of the secret, which does not reveal it. Tokens and the database contain it."""
        return hashlib.sha256(self.derive("key id")).hexdigest()[:KEY_ID]

    def sign(self, purpose: str, text: str) -> str:
        """A hex HMAC-SHA256 of `text`."""
        return hmac.new(self.derive(purpose), text.encode(), hashlib.sha256).hexdigest()

    def seal(self, purpose: str, about: str, content: bytes) -> bytes:
        """Encrypt with AES-256-GCM. It decrypts only with the same `about`: the id of its row."""
        nonce = secrets.token_bytes(NONCE)
        return nonce + AESGCM(self.derive(purpose)).encrypt(nonce, content, about.encode())

    def open(self, purpose: str, about: str, sealed: bytes) -> bytes:
        """Raise Broken."""
        try:
            return AESGCM(self.derive(purpose)).decrypt(
                sealed[:NONCE], sealed[NONCE:], about.encode()
            )
        except (InvalidTag, ValueError) as exc:
            raise Broken("it was changed after it was encrypted") from exc

    def seal_with_id(self, purpose: str, about: str, content: bytes) -> bytes:
        """As `seal`, with the id of the secret before it: the secret may change."""
        return self.id.encode() + self.seal(purpose, about, content)

    def open_with_id(self, purpose: str, about: str, sealed: bytes) -> bytes:
        """What `seal_with_id` made, also of a former secret. Raise Broken."""
        known = self.under(sealed[:KEY_ID].decode(errors="replace"))
        return known.open(purpose, about, sealed[KEY_ID:])


def load(settings: Settings, *, make: bool) -> Keys:
    """The keys of the secret in the settings, or in the file beside the SQLite database.

    `make`: create a missing file. Without it, raise WrongSettings.
    """
    former = _former(settings)
    if settings.secret_key:
        secret = _long_enough(settings.secret_key.get_secret_value(), "HUBBUB_SECRET_KEY")
        return Keys(secret, former)
    path = sqlite_path(settings.database_url)
    if path is None:
        raise WrongSettings(
            "HUBBUB_SECRET_KEY is not set. MySQL needs it, because all processes share it. "
            'Create one with `python3 -c "import secrets; print(secrets.token_urlsafe(48))"`.'
        )
    return Keys(_beside(Path(f"{path}.key"), make=make), former)


def _former(settings: Settings) -> list[str]:
    """The old secrets. A comma separates them, unless it is a part of the only one."""
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
            f"Cannot read or create the file of the secret, {path}: {exc.strerror}. "
            "Set HUBBUB_SECRET_KEY, or set HUBBUB_DATABASE_URL to a file in a writable folder."
        ) from exc


def _make(path: Path) -> None:
    """Create the file under another name first: a killed process must not leave half a key."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(base64.urlsafe_b64encode(secrets.token_bytes(48)).decode())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was faster, so its key counts
    finally:
        draft.unlink()


def _long_enough(secret: str, where: str) -> str:
    if len(secret) < SHORTEST:
        raise WrongSettings(
            f"{where} has {len(secret)} characters; it needs at least {SHORTEST}. "
            'Create one with `python3 -c "import secrets; print(secrets.token_urlsafe(48))"`.'
        )
    return secret


async def check(store: Store, keys: Keys) -> None:
    """Bind a new database to the secret. Raise WrongSettings if it is bound to an unknown one."""
    bound = await store.write(lambda tx: key_values.put_if_absent(tx, BOUND, keys.id))
    if bound == BEING_RESTORED:
        raise WrongSettings(
            "A backup is being restored into this database, or a restore was interrupted. Let "
            "`hubbub restore FILE` run to its end; after an interruption start it again with the "
            "same file."
        )
    if bound not in {each.id for each in keys.all_keys}:
        raise WrongSettings(
            f"The database uses another secret: its key id is {bound}, and yours is {keys.id}. "
            "Set HUBBUB_SECRET_KEY to the secret of the database, or restore the .key file beside "
            "the SQLite file. If you changed the secret on purpose, add the old one to "
            "HUBBUB_SECRET_KEY_OLD."
        )
