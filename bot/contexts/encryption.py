"""How a context's content is kept: packed, then sealed for the one row that it is for."""

import hashlib
import zlib
from typing import TypedDict

from bot.identity.keyring import Broken, Keys
from store.tables.contexts import ContextVersionRow

PURPOSE = "contexts"


def about(installation_id: int, context_id: str, version: int) -> str:
    """What a version's content is sealed with: it opens in no other row."""
    return f"{installation_id} {context_id} {version}"


def packed(content: bytes) -> bytes:
    # Others wait to write meanwhile: a higher level takes six times as long, for a fifth less.
    return zlib.compress(content, 1)


class Sealed(TypedDict):
    """The columns of a version in which its content is."""

    key_id: str
    sealed: bytes


def sealed(keys: Keys, where: str, pack: bytes) -> Sealed:
    return {"key_id": keys.id, "sealed": keys.seal(PURPOSE, where, pack)}


def opened(keys: Keys, where: str, row: ContextVersionRow) -> tuple[bytes, bytes]:
    """The content, packed and unpacked. Raise Broken."""
    pack = keys.under(row["key_id"]).open(PURPOSE, where, row["sealed"])
    try:
        content = zlib.decompress(pack)
    except zlib.error as exc:
        raise Broken("it cannot be unpacked") from exc
    if hashlib.sha256(content).hexdigest() != row["checksum"]:
        raise Broken("its checksum is another")
    return pack, content
