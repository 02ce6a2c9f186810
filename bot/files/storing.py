"""Storing files: in one transaction, and large ones chunk by chunk."""

import asyncio
import hashlib
from functools import partial

from bot.errors import Refused
from bot.files import chunks, file_types, media_facts, names
from bot.files.chunks import CHUNK
from bot.files.rules import KEEP_UNUSED, UPLOAD_S
from bot.identity.actors import OPERATOR
from bot.identity.keyring import Keys
from bot.quotas import table
from bot.quotas.file_rules import FileRules
from bot.quotas.table import Quota
from bot.times import SECOND
from store.engine import ids
from store.engine.transaction import Store, Tx
from store.files import attachments, blobs, uploads, usage
from store.files.attachments import FullAttachment
from store.tables.files import AttachmentRow, BlobRow, UploadRow

FILE_BYTES = "file_bytes"


async def count(tx: Tx, quota: Quota, installation_id: int, owner: str, size: int) -> None:
    """Count a file of its owner. Raise Refused if that is beyond a quota. People have none."""
    await usage.change(tx, installation_id, owner, size, 1)
    own = (await usage.of(tx, installation_id, owner))["size"]
    everybody = (await usage.of(tx, installation_id))["size"]
    is_person = owner.startswith("@") or owner == OPERATOR
    for whose, most, used in (
        ("agent", None if is_person else quota.agent, own),
        ("installation", quota.installation, everybody),
    ):
        if most is not None and used > most:
            # A caller may go on without the file.
            await usage.change(tx, installation_id, owner, -size, -1)
            raise table.refusal(
                FILE_BYTES, whose=whose, who=owner, most=most, used=used - size, wait_s=None
            )


async def store_whole(
    tx: Tx,
    keys: Keys,
    rules: FileRules,
    quota: Quota,
    installation_id: int,
    owner: str,
    name: str,
    content: bytes,
) -> FullAttachment:
    """Store a file of a few chunks in one transaction. Raise Refused."""
    now = await tx.now()
    found = file_types.find(content[:CHUNK], name, "", whole=len(content) <= CHUNK)
    rules.check_family(found.family, found.type)
    await count(tx, quota, installation_id, owner, len(content))
    sha256 = hashlib.sha256(content).hexdigest()
    new = _blob(installation_id, ids.new("b", now), sha256, len(content), found.type, now)
    new["facts"] = media_facts.find(content, found.type, len(content))
    blob = await blobs.ensure(tx, new)
    if content and (blob["id"] == new["id"] or not await _is_readable(tx, keys, blob)):
        for part in range(chunks.count(len(content))):
            piece = content[part * CHUNK : (part + 1) * CHUNK]
            await blobs.put_chunk(tx, chunks.seal(keys, installation_id, blob["id"], part, piece))
    return await _attach(tx, blob, owner, name, found.note, now)


async def _is_readable(tx: Tx, keys: Keys, blob: BlobRow) -> bool:
    try:
        await chunks.read_in(tx, keys, blob, range(blob["chunks"]))
    except Refused:
        return False
    return True


def _blob(
    installation_id: int, blob_id: str, sha256: str, size: int, kind: str, now: int
) -> BlobRow:
    return {
        "installation_id": installation_id,
        "id": blob_id,
        "digest": sha256,
        "size": size,
        "type": kind,
        "facts": {},
        "chunks": chunks.count(size),
        "text_state": "untried",
        "text_note": None,
        "created_at": now,
        "unused_since": None,
    }


async def _attach(
    tx: Tx, blob: BlobRow, owner: str, name: str, note: str | None, now: int
) -> FullAttachment:
    await blobs.mark_used(tx, blob["installation_id"], blob["id"])
    row: AttachmentRow = {
        "installation_id": blob["installation_id"],
        "id": ids.new("f", now),
        "blob_id": blob["id"],
        "name": names.clean(name),
        "type": blob["type"],
        "size": blob["size"],
        "owner": owner,
        "note": note,
        "created_at": now,
        "expires_at": now + KEEP_UNUSED,
    }
    await attachments.add(tx, row)
    return {**row, "digest": blob["digest"]}


async def begin_upload(
    tx: Tx,
    quota: Quota,
    installation_id: int,
    owner: str,
    name: str,
    size: int,
    sha256: str | None,
) -> UploadRow:
    """Begin an upload, which is counted at once. Raise Refused."""
    now = await tx.now()
    await count(tx, quota, installation_id, owner, size)
    row: UploadRow = {
        "installation_id": installation_id,
        "id": ids.new("b", now),
        "owner": owner,
        "name": names.clean(name),
        "given_type": "",
        "size": size,
        "digest": sha256,
        "received": 0,
        "created_at": now,
        "expires_at": now + UPLOAD_S * SECOND,
    }
    await uploads.add(tx, row)
    return row


async def add_chunk(store: Store, keys: Keys, row: UploadRow, start: int, content: bytes) -> bool:
    """Store the chunk that begins at `start`. False: another sender was faster.

    Each chunk is a transaction, so other calls wait for one at most.
    """
    here = (row["installation_id"], row["id"])
    sealed = await asyncio.to_thread(chunks.seal, keys, *here, start // CHUNK, content)

    async def work(tx: Tx) -> bool:
        now = await uploads.get(tx, *here)
        if now is None:
            return False
        if now["received"] == start + len(content):
            # After a COMMIT whose answer was lost, the work runs again. Or it is another sender's.
            stored = await blobs.chunk(tx, *here, start // CHUNK)
            return stored is not None and chunks.unseal(keys, stored) == content
        if not await uploads.advance(tx, *here, start, len(content)):
            return False
        await blobs.put_chunk(tx, sealed)
        return True

    return await store.write(work)


async def finish_upload(
    store: Store, keys: Keys, rules: FileRules, row: UploadRow
) -> FullAttachment:
    """Make an attachment of a whole upload. Raise Refused, and drop the upload, if it is wrong."""
    here = (row["installation_id"], row["id"])
    count_ = chunks.count(row["size"])
    sha256 = await chunks.digest(store, keys, *here, count_)
    head = b""
    async for part in chunks.stream(store, keys, here, 0, 0):
        head = part
    found = file_types.find(head, row["name"], row["given_type"], whole=row["size"] <= CHUNK)
    try:
        rules.check_family(found.family, found.type)
        _check_hash(row, sha256)
    except Refused:
        await store.write(partial(expire, row=row))
        raise
    new = _blob(*here, sha256, row["size"], found.type, 0)
    new["facts"] = media_facts.find(head, found.type, row["size"])
    broken = await _broken_one(store, keys, row["installation_id"], sha256)
    return await store.write(partial(_finish, row=row, new=new, note=found.note, broken=broken))


async def _broken_one(store: Store, keys: Keys, installation_id: int, sha256: str) -> str | None:
    """The blob with this hash, if it is there and cannot be read."""
    blob = await store.read(partial(blobs.by_hash, installation_id=installation_id, sha256=sha256))
    if blob is None:
        return None
    try:
        await chunks.digest(store, keys, installation_id, blob["id"], blob["chunks"])
    except Refused:
        return blob["id"]
    return None


def _check_hash(row: UploadRow, sha256: str) -> None:
    if row["digest"] not in (None, sha256):
        raise Refused(
            "invalid_arguments",
            f"The uploaded bytes have the SHA-256 {sha256}, not {row['digest']}, so they were "
            "dropped. Call attach_file again and upload the whole file.",
        )


async def _finish(
    tx: Tx, row: UploadRow, new: BlobRow, note: str | None, broken: str | None
) -> FullAttachment:
    """`broken`: a blob with the same content that cannot be read. The new one takes its place."""
    here, now = row["installation_id"], await tx.now()
    new = {**new, "created_at": now}
    if not await uploads.end(tx, here, row["id"], now):
        return await attachment_of(tx, row, new["digest"])
    if broken is not None:
        await blobs.retire(tx, here, broken, now)
    blob = await blobs.ensure(tx, new)
    if broken is not None:
        await attachments.move(tx, here, broken, blob["id"])
    if blob["id"] != row["id"]:
        # The same content is there already. These chunks go with the next retention step.
        await blobs.add(tx, {**new, "digest": row["id"], "unused_since": now})
    return await _attach(tx, blob, row["owner"], row["name"], note, now)


async def attachment_of(tx: Tx, row: UploadRow, sha256: str) -> FullAttachment:
    """The attachment of an upload that another request has finished. Raise Refused."""
    blob = await blobs.by_hash(tx, row["installation_id"], sha256)
    found = await attachments.of_blob(tx, row["installation_id"], blob["id"], 100) if blob else []
    for each in found:
        if each["owner"] == row["owner"] and each["name"] == row["name"]:
            return each
    raise Refused("unknown_attachment", "This upload was removed. Call attach_file again.")


async def expire(tx: Tx, row: UploadRow) -> None:
    """Let the upload be removed by the next retention step."""
    await uploads.expire(tx, row["installation_id"], row["id"], await tx.now())
