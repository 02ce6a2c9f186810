"""Removes what nobody needs, in small batches: uploads that ended, unused files, their bytes."""

from functools import partial

from store.engine.transaction import Store, Tx
from store.files import attachments, blobs, uploads, usage

# Chunks of one transaction: 4 MiB.
CHUNKS = 16
ATTACHMENTS = 50


async def step(store: Store, installation_id: int, now: int) -> int:
    """Remove a batch of each kind. Return how many rows were removed."""
    removed = 0
    for work in (_expired_uploads, _expired_attachments, _unused_blobs):
        removed += await store.write(partial(work, installation_id=installation_id, now=now))
    return removed


async def _expired_uploads(tx: Tx, installation_id: int, now: int) -> int:
    row = await uploads.first_expired(tx, installation_id, now)
    if row is None:
        return 0
    removed, is_all = await uploads.drop_with_chunks(tx, row, CHUNKS)
    if is_all:
        await usage.change(tx, installation_id, row["owner"], -row["size"], -1)
    return removed


async def _expired_attachments(tx: Tx, installation_id: int, now: int) -> int:
    rows = await attachments.first_expired(tx, installation_id, now, ATTACHMENTS)
    for row in rows:
        await attachments.remove(tx, row, now)
    return len(rows)


async def _unused_blobs(tx: Tx, installation_id: int, now: int) -> int:
    return await blobs.drop_unused(tx, installation_id, now, CHUNKS)
