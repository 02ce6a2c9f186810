"""The bytes of files: in chunks, each encrypted for its row."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from functools import partial

from bot.errors import Refused
from bot.identity.keyring import Broken, Keys
from store.engine.transaction import Store, Tx
from store.files import attachments, blobs
from store.tables.files import BlobChunkRow, BlobRow

PURPOSE = "files"
# Bytes. A statement with one must be small beside the packet limits of servers, and take no longer
# than a few milliseconds.
CHUNK = 256 * 1024


def sealed_for(installation_id: int, blob_id: str, part: int) -> str:
    """What a chunk is encrypted with, so that it can be decrypted in no other row."""
    return f"{installation_id} {blob_id} {part}"


def seal(keys: Keys, installation_id: int, blob_id: str, part: int, content: bytes) -> BlobChunkRow:
    return {
        "installation_id": installation_id,
        "blob_id": blob_id,
        "part": part,
        "key_id": keys.id,
        "sealed": keys.seal(PURPOSE, sealed_for(installation_id, blob_id, part), content),
    }


def unseal(keys: Keys, row: BlobChunkRow | None) -> bytes:
    """Raise Broken, also if the chunk is not there."""
    if row is None:
        raise Broken("a part of it is missing")
    about = sealed_for(row["installation_id"], row["blob_id"], row["part"])
    return keys.under(row["key_id"]).open(PURPOSE, about, row["sealed"])


def count(size: int) -> int:
    """How many chunks so many bytes have."""
    return -(-size // CHUNK)


async def read_in(tx: Tx, keys: Keys, row: BlobRow, parts: Sequence[int]) -> bytes:
    """These chunks of a file, in one transaction. Raise Refused."""
    found = [await blobs.chunk(tx, row["installation_id"], row["id"], part) for part in parts]
    try:
        return b"".join(unseal(keys, each) for each in found)
    except Broken as exc:
        raise unreadable(exc) from exc


def unreadable(exc: Broken) -> Refused:
    return Refused(
        "unknown_attachment",
        f"The file cannot be decrypted: {exc}. Ask who attached it to attach it again.",
    )


async def stream(
    store: Store, keys: Keys, blob: tuple[int, str], first: int, last: int, while_: str = ""
) -> AsyncIterator[bytes]:
    """The chunks from `first` to `last`, each read in a transaction of its own.

    `blob`: its installation and id. Decrypting a chunk takes a thread, so that other calls do not
    wait for it. It ends early if the attachment `while_` is removed meanwhile. Raise Refused if a
    chunk cannot be read, or is not there.
    """
    for part in range(first, last + 1):
        is_there, row = await store.read(partial(_chunk, blob=blob, part=part, while_=while_))
        if not is_there:
            return
        try:
            yield await asyncio.to_thread(unseal, keys, row)
        except Broken as exc:
            raise unreadable(exc) from exc


async def _chunk(
    tx: Tx, blob: tuple[int, str], part: int, while_: str
) -> tuple[bool, BlobChunkRow | None]:
    """Whether the attachment is still there, and the chunk."""
    if while_ and not await attachments.is_there(tx, blob[0], while_):
        return False, None
    return True, await blobs.chunk(tx, *blob, part)


async def is_stored(
    store: Store, keys: Keys, blob: tuple[int, str], start: int, content: bytes
) -> bool:
    """Whether these bytes, all of one chunk, are stored from `start` on. Raise Refused."""
    part, at = divmod(start, CHUNK)
    async for stored in stream(store, keys, blob, part, part):
        return stored[at : at + len(content)] == content
    return False


async def digest(store: Store, keys: Keys, installation_id: int, blob_id: str, chunks: int) -> str:
    """The SHA-256 of the stored chunks. Raise Refused."""
    found = hashlib.sha256()
    parts = stream(store, keys, (installation_id, blob_id), 0, chunks - 1)
    async for part in parts:
        await asyncio.to_thread(found.update, part)
    return found.hexdigest()
