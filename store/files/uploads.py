"""Files that are being uploaded in chunks."""

from store.engine import sql
from store.engine.transaction import Tx
from store.files import blobs
from store.tables.files import UploadRow

COLUMNS = tuple(UploadRow.__annotations__)


async def add(tx: Tx, row: UploadRow) -> None:
    await tx.run(sql.insert("uploads", COLUMNS), **row)


async def get(tx: Tx, installation_id: int, upload_id: str) -> UploadRow | None:
    q = "SELECT * FROM uploads WHERE installation_id = :i AND id = :u"
    return await tx.one(q, i=installation_id, u=upload_id)


async def advance(tx: Tx, installation_id: int, upload_id: str, start: int, size: int) -> bool:
    """Count a chunk, if the one before it is stored. This decides between two senders."""
    return bool(
        await tx.run(
            "UPDATE uploads SET received = :now_at WHERE installation_id = :i AND id = :u "
            "AND received = :start",
            now_at=start + size,
            i=installation_id,
            u=upload_id,
            start=start,
        )
    )


async def drop(tx: Tx, installation_id: int, upload_id: str) -> bool:
    q = "DELETE FROM uploads WHERE installation_id = :i AND id = :u"
    return bool(await tx.run(q, i=installation_id, u=upload_id))


async def end(tx: Tx, installation_id: int, upload_id: str, now: int) -> bool:
    """Drop it, unless it has expired: then its first chunks may be gone."""
    q = "DELETE FROM uploads WHERE installation_id = :i AND id = :u AND expires_at > :now"
    return bool(await tx.run(q, i=installation_id, u=upload_id, now=now))


async def first_expired(tx: Tx, installation_id: int, now: int) -> UploadRow | None:
    return await tx.one(
        "SELECT * FROM uploads WHERE installation_id = :i AND expires_at <= :now "
        "ORDER BY expires_at LIMIT 1 FOR UPDATE",
        i=installation_id,
        now=now,
    )


async def drop_with_chunks(tx: Tx, row: UploadRow, limit: int) -> tuple[int, bool]:
    """Drop some of its chunks, and the upload after the last: how many, and whether all."""
    here = (row["installation_id"], row["id"])
    dropped = await blobs.drop_chunks(tx, *here, limit)
    if dropped >= limit:
        # For a request that began before it expired, and ends it now.
        await expire(tx, *here, 0)
        return dropped, False
    return dropped + int(await drop(tx, *here)), True


async def expire(tx: Tx, installation_id: int, upload_id: str, now: int) -> None:
    q = "UPDATE uploads SET expires_at = :now WHERE installation_id = :i AND id = :u"
    await tx.run(q, now=now, i=installation_id, u=upload_id)
