"""The contents of files, once for each installation, in encrypted chunks."""

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.files import BlobChunkRow, BlobRow, TextState

COLUMNS = tuple(BlobRow.__annotations__)
CHUNK_COLUMNS = tuple(BlobChunkRow.__annotations__)
CHUNK_KEY = ("installation_id", "blob_id", "part")


def _decode(row: BlobRow) -> BlobRow:
    return {**row, "facts": json_text.value(row["facts"])}


async def add(tx: Tx, row: BlobRow) -> None:
    encoded = {**row, "facts": json_text.text(row["facts"])}
    await tx.run(sql.insert("blobs", COLUMNS), **encoded)


async def get(tx: Tx, installation_id: int, blob_id: str) -> BlobRow | None:
    q = "SELECT * FROM blobs WHERE installation_id = :i AND id = :b"
    row = await tx.one(q, i=installation_id, b=blob_id)
    return _decode(row) if row else None


async def ensure(tx: Tx, row: BlobRow) -> BlobRow:
    """Add the blob, unless one has its hash. Return the stored one, locked so that it stays."""
    encoded = {**row, "facts": json_text.text(row["facts"])}
    key = ("installation_id", "digest")
    await tx.run(sql.insert_new(tx.dialect, "blobs", COLUMNS, key), **encoded)
    q = "SELECT * FROM blobs WHERE installation_id = :i AND digest = :h FOR UPDATE"
    found = await tx.one(q, i=row["installation_id"], h=row["digest"])
    return _decode(found) if found else row


async def by_hash(tx: Tx, installation_id: int, sha256: str) -> BlobRow | None:
    q = "SELECT * FROM blobs WHERE installation_id = :i AND digest = :h"
    row = await tx.one(q, i=installation_id, h=sha256)
    return _decode(row) if row else None


async def mark_used(tx: Tx, installation_id: int, blob_id: str) -> None:
    q = "UPDATE blobs SET unused_since = NULL WHERE installation_id = :i AND id = :b"
    await tx.run(q, i=installation_id, b=blob_id)


async def mark_if_unused(tx: Tx, installation_id: int, blob_id: str, now: int) -> None:
    """Remember that no attachment has the blob any more, if that is so."""
    await tx.run(
        "UPDATE blobs SET unused_since = :now WHERE installation_id = :i AND id = :b "
        "AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.installation_id = :i "
        "AND a.blob_id = :b)",
        now=now,
        i=installation_id,
        b=blob_id,
    )


async def put_chunk(tx: Tx, row: BlobChunkRow) -> None:
    """Store a chunk, also in the place of one that a killed upload left."""
    await tx.run(sql.upsert(tx.dialect, "blob_chunks", CHUNK_COLUMNS, CHUNK_KEY), **row)


async def chunk(tx: Tx, installation_id: int, blob_id: str, part: int) -> BlobChunkRow | None:
    q = "SELECT * FROM blob_chunks WHERE installation_id = :i AND blob_id = :b AND part = :p"
    return await tx.one(q, i=installation_id, b=blob_id, p=part)


async def set_text(
    tx: Tx, installation_id: int, blob_id: str, state: TextState, note: str | None
) -> None:
    await tx.run(
        "UPDATE blobs SET text_state = :s, text_note = :note WHERE installation_id = :i "
        "AND id = :b",
        s=state,
        note=note,
        i=installation_id,
        b=blob_id,
    )


async def retire(tx: Tx, installation_id: int, blob_id: str, now: int) -> None:
    """Let it be removed, and leave its hash to another blob."""
    await tx.run(
        "UPDATE blobs SET digest = :b, unused_since = :now WHERE installation_id = :i AND id = :b",
        b=blob_id,
        now=now,
        i=installation_id,
    )


async def drop_chunks(tx: Tx, installation_id: int, blob_id: str, limit: int) -> int:
    where = "installation_id = :i AND blob_id = :b"
    statement = sql.delete_some(tx.dialect, "blob_chunks", where)
    return await tx.run(statement, i=installation_id, b=blob_id, n=limit)


async def drop_unused(tx: Tx, installation_id: int, now: int, limit: int) -> int:
    """Drop some chunks of a blob that nothing needs, and the blob after its last chunk."""
    row = await tx.one(
        "SELECT id, unused_since FROM blobs WHERE installation_id = :i AND unused_since <= :now "
        "ORDER BY unused_since LIMIT 1 FOR UPDATE",
        i=installation_id,
        now=now,
    )
    if row is None:
        return 0
    # An upload of the same content must not find a blob whose first chunks are gone.
    q = "UPDATE blobs SET digest = :b WHERE installation_id = :i AND id = :b"
    await tx.run(q, i=installation_id, b=row["id"])
    dropped = await drop_chunks(tx, installation_id, row["id"], limit)
    if dropped < limit:
        q = "DELETE FROM blobs WHERE installation_id = :i AND id = :b"
        dropped += await tx.run(q, i=installation_id, b=row["id"])
    return dropped


async def text_parts(tx: Tx, installation_id: int, blob_id: str) -> list[int]:
    """The numbers of the chunks of the extracted text, in their order."""
    rows = await tx.all(
        "SELECT part FROM blob_chunks WHERE installation_id = :i AND blob_id = :b AND part < 0 "
        "ORDER BY part DESC",
        i=installation_id,
        b=blob_id,
    )
    return [row["part"] for row in rows]
