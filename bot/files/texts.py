"""The texts of files: read by another process when somebody first asks, then kept."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from bot.files import chunks
from bot.files.chunks import CHUNK
from bot.files.extraction.process import TIMEOUT_S, Extracted, Processes, reader_of
from bot.identity.keyring import Keys
from store.engine.transaction import Store, Tx
from store.files import blobs
from store.tables.files import BlobRow, TextState

# How long a caller waits for the text, its place in the queue included.
WAIT_S = 2 * TIMEOUT_S
NOTHING_TO_READ = "files of this type are not read"


class FileTexts:
    """Reads texts, each once for all processes that ask at about the same time."""

    def __init__(self, store: Store, keys: Keys, processes: Processes | None = None) -> None:
        self._store = store
        self._keys = keys
        self._processes = processes or Processes()
        self._running: dict[tuple[int, str], asyncio.Task[None]] = {}

    async def read(self, installation_id: int, blob_id: str) -> None:
        """Read and store the text, or why there is none. It goes on if the caller leaves."""
        key = (installation_id, blob_id)
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._read(*key))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        await asyncio.shield(task)

    async def _read(self, installation_id: int, blob_id: str) -> None:
        work = partial(blobs.get, installation_id=installation_id, blob_id=blob_id)
        blob = await self._store.read(work)
        if blob is None or blob["text_state"] != "untried":
            return
        await self._keep(blob, await self._extract(blob))

    async def _extract(self, blob: BlobRow) -> Extracted:
        reader = reader_of(blob["type"])
        if reader is None:
            return Extracted(None, NOTHING_TO_READ)
        content = self._content(blob)
        return await self._processes.extract(reader, content, blob["installation_id"])

    def _content(self, blob: BlobRow) -> AsyncIterator[bytes]:
        here = (blob["installation_id"], blob["id"])
        return chunks.stream(self._store, self._keys, here, 0, blob["chunks"] - 1)

    async def _keep(self, blob: BlobRow, found: Extracted) -> None:
        """A process that dies in between leaves parts of a text, which the next one replaces."""
        here = (blob["installation_id"], blob["id"])
        content = (found.text or "").encode()
        for number in range(chunks.count(len(content))):
            part = content[number * CHUNK : (number + 1) * CHUNK]
            row = chunks.seal(self._keys, *here, -1 - number, part)
            await self._store.write(partial(blobs.put_chunk, row=row))
        state: TextState = "none" if found.text is None else "done"
        await self._store.write(lambda tx: blobs.set_text(tx, *here, state, found.note))


async def text_of(tx: Tx, keys: Keys, blob: BlobRow) -> str:
    """The stored text. Raise Refused."""
    parts = await blobs.text_parts(tx, blob["installation_id"], blob["id"])
    return (await chunks.read_in(tx, keys, blob, parts)).decode()
