"""Compresses a context's content and encrypts it for one row."""

import hashlib
import zlib
from typing import TypedDict

from bot.identity.keyring import Broken, Keys
from store.tables.contexts import ContextVersionRow

PURPOSE = "contexts"


def associated_data(installation_id: int, context_id: str, version: int) -> str:
    """The associated data. With it, the content can be decrypted in no other row."""
    return f"{installation_id} {context_id} {version}"


def compress(content: bytes) -> bytes:
    # Other writers wait meanwhile. A higher level takes six times as long and saves a fifth.
    return zlib.compress(content, 1)


class Sealed(TypedDict):
    """The columns of a version that hold its content."""

    key_id: str
    sealed: bytes


def seal(keys: Keys, associated: str, compressed: bytes) -> Sealed:
    return {"key_id": keys.id, "sealed": keys.seal(PURPOSE, associated, compressed)}


def unseal(keys: Keys, associated: str, row: ContextVersionRow) -> tuple[bytes, bytes]:
    """The content, compressed and plain. Raise Broken."""
    compressed = keys.under(row["key_id"]).open(PURPOSE, associated, row["sealed"])
    try:
        content = zlib.decompress(compressed)
    except zlib.error as exc:
        raise Broken("it cannot be decompressed") from exc
    if hashlib.sha256(content).hexdigest() != row["checksum"]:
        raise Broken("its checksum differs")
    return compressed, content
