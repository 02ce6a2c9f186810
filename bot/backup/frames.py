"""A stream of bytes in frames, of which the last one is marked, encrypted or not.

A file that was cut off has no last frame. With a passphrase each frame is encrypted by AES-256-GCM,
as age's and Tink's streams are: its nonce has its number and whether it is the last one. So frames
can neither be dropped, repeated, nor put in another order.
"""

import base64
import hashlib
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from bot.settings import Settings, WrongSettings

FRAME = 256 * 1024
TAG = 16
LENGTH = struct.Struct(">I")
# In the length of a frame: it is the last one.
LAST = 1 << 31
PREFIX = 7
# To derive a key takes 32 MiB and about a tenth of a second.
SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}
# What a file may ask for at most, because anybody may have written it.
MOST_SCRYPT = {"n": 1 << 17, "r": 8, "p": 4}
SHORTEST_PASSPHRASE = 16


class BadBackup(Exception):
    """The file is not a whole and unchanged backup. The text says what is wrong."""


def passphrase_of(loaded: Settings, path: Path | None) -> bytes | None:
    """The passphrase in the file, or else in the settings. Raise WrongSettings."""
    if path is None:
        given = loaded.backup_passphrase
        return _checked_passphrase(given.get_secret_value().encode(), "") if given else None
    try:
        return _checked_passphrase(path.read_bytes().strip(), f" in {path}")
    except OSError as exc:
        raise WrongSettings(
            f"Cannot read the file of the passphrase, {path}: {exc.strerror}."
        ) from exc


def _checked_passphrase(found: bytes, where: str) -> bytes:
    if len(found) < SHORTEST_PASSPHRASE:
        raise WrongSettings(
            f"The passphrase of the backups{where} has {len(found)} characters; it needs at least "
            f"{SHORTEST_PASSPHRASE}. Create one with "
            '`python3 -c "import secrets; print(secrets.token_urlsafe(32))"`.'
        )
    return found


@dataclass(frozen=True)
class Cipher:
    """`about`: the header of the file, which is authenticated with each frame."""

    key: AESGCM
    prefix: bytes
    about: bytes

    def _nonce(self, number: int, *, last: bool) -> bytes:
        return self.prefix + LENGTH.pack(number) + bytes([last])

    def encrypt(self, number: int, frame: bytes, *, last: bool) -> bytes:
        return self.key.encrypt(self._nonce(number, last=last), frame, self.about)

    def decrypt(self, number: int, frame: bytes, *, last: bool) -> bytes:
        try:
            return self.key.decrypt(self._nonce(number, last=last), frame, self.about)
        except InvalidTag as exc:
            why = "the passphrase is wrong, or the file" if number == 0 else "the file"
            raise BadBackup(f"frame {number} cannot be decrypted: {why} was changed") from exc


def parameters() -> dict[str, Any]:
    """How a new file is encrypted, for its header."""
    return {
        "cipher": "AES-256-GCM",
        "kdf": "scrypt",
        **SCRYPT,
        "salt": base64.b64encode(secrets.token_bytes(16)).decode(),
        "prefix": base64.b64encode(secrets.token_bytes(PREFIX)).decode(),
    }


def cipher(given: dict[str, Any], passphrase: bytes, header: bytes) -> Cipher:
    """The cipher of a file with these parameters. Raise BadBackup."""
    try:
        cost = {name: int(given[name]) for name in SCRYPT}
        salt, prefix = (base64.b64decode(given[name], validate=True) for name in ("salt", "prefix"))
        asked_too_much = any(cost[name] > most for name, most in MOST_SCRYPT.items())
        if asked_too_much or len(prefix) != PREFIX or given["cipher"] != "AES-256-GCM":
            raise BadBackup("its header asks for an encryption that Hubbub does not have")
        key = Scrypt(salt=salt, length=32, **cost).derive(passphrase)
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise BadBackup("its header does not say how it is encrypted") from exc
    return Cipher(AESGCM(key), prefix, hashlib.sha256(header).digest())


class FrameWriter:
    """Writes bytes to a file in frames. `end` writes the last one."""

    def __init__(self, file: BinaryIO, encrypts: Cipher | None) -> None:
        self._file = file
        self._cipher = encrypts
        self._number = 0
        self._buffer = bytearray()

    def write(self, more: bytes) -> None:
        self._buffer += more
        while len(self._buffer) > FRAME:
            self._emit(bytes(self._buffer[:FRAME]), last=False)
            del self._buffer[:FRAME]

    def end(self) -> None:
        self._emit(bytes(self._buffer), last=True)

    def _emit(self, frame: bytes, *, last: bool) -> None:
        if self._cipher is not None:
            frame = self._cipher.encrypt(self._number, frame, last=last)
        self._file.write(LENGTH.pack(len(frame) | (LAST if last else 0)) + frame)
        self._number += 1


def read_frames(file: BinaryIO, decrypts: Cipher | None) -> Iterator[bytes]:
    """The content of each frame. Raise BadBackup."""
    number, last = 0, False
    while not last:
        (length,) = LENGTH.unpack(_exactly(file, LENGTH.size))
        last = bool(length & LAST)
        frame = _exactly(file, _content_length(length & ~LAST))
        yield decrypts.decrypt(number, frame, last=last) if decrypts else frame
        number += 1
    if file.read(1):
        raise BadBackup("something follows its end")


def _content_length(length: int) -> int:
    if length > FRAME + TAG:
        raise BadBackup("a frame is longer than Hubbub writes one: the file was changed")
    return length


def _exactly(file: BinaryIO, length: int) -> bytes:
    found = file.read(length)
    if len(found) < length:
        raise BadBackup("it ends too early: the file was cut off, or is still being written")
    return found
