"""`PUT /files/upload/…`: uploads of files by short-lived addresses, which can be resumed.

`DELETE` gives one up.
"""

import asyncio
import re
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web

from bot.errors import Refused
from bot.files import chunks, links, storing
from bot.files.chunks import CHUNK
from bot.operations.files.views import file_view
from store.engine.transaction import Tx
from store.files import uploads
from store.tables.files import UploadRow
from webhooks.app_keys import DISPATCHER, METRICS
from webhooks.file_streams import CHUNK_S, STREAMS

RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
# How long the sender may be silent, in seconds.
SILENT_S = 30.0
OFFSET = "Upload-Offset"


@dataclass
class _Progress:
    """What is stored, and what has arrived after it.

    `skip`: bytes that are stored already, and come again. Those in `again` have come, and begin at
    `compared_to`.
    """

    row: UploadRow
    received: int
    skip: int
    compared_to: int
    again: bytearray = field(default_factory=bytearray)
    waiting: bytearray = field(default_factory=bytearray)
    # When the next chunk must be there, by the loop's clock, and how much of it is.
    due_at: float = 0.0
    on_its_way: int = CHUNK

    def wait_s(self, now: float) -> float:
        """How long the next bytes may take."""
        if self.on_its_way >= CHUNK:
            self.due_at, self.on_its_way = now + CHUNK_S, 0
        return min(SILENT_S, self.due_at - now)

    def add(self, part: bytes) -> None:
        """Raise Refused if more comes than was announced."""
        self.on_its_way += len(part)
        dropped = min(self.skip, len(part))
        self.skip -= dropped
        self.again += part[:dropped]
        self.waiting += part[dropped:]
        if self.received + len(self.waiting) > self.row["size"]:
            raise Refused(
                "too_large",
                f"attach_file was told that the file has {self.row['size']} bytes, and more came.",
            )

    def next_again(self, *, is_end: bool) -> bytes:
        """Of what came again, up to the end of a chunk. Nothing while more of it will come."""
        room = CHUNK - self.compared_to % CHUNK
        is_whole = is_end or not self.skip or len(self.again) >= room
        return bytes(self.again[:room]) if is_whole else b""

    @property
    def is_last(self) -> bool:
        return self.received + len(self.waiting) == self.row["size"]


def add_routes(app: web.Application) -> None:
    app.router.add_get("/files/upload/{address}", show)
    app.router.add_put("/files/upload/{address}", receive)
    app.router.add_post("/files/upload/{address}", receive)
    app.router.add_delete("/files/upload/{address}", cancel)


async def cancel(request: web.Request) -> web.Response:
    """Give up an upload, so that it no longer counts to the quota of its owner."""
    row = await _upload(request)
    await request.app[DISPATCHER].store.write(partial(storing.expire, row=row))
    return web.Response(status=204)


async def show(request: web.Request) -> web.Response:
    row = await _upload(request)
    return _progress(row, row["received"])


def _progress(row: UploadRow, received: int) -> web.Response:
    answer = {"received": received, "size": row["size"], "chunk": CHUNK}
    return web.json_response(answer, headers={OFFSET: str(received), "Cache-Control": "no-store"})


async def receive(request: web.Request) -> web.Response:
    """Store what comes, chunk by chunk. What a broken connection leaves can be gone on from."""
    row = await _upload(request)
    skip = _already_stored(request, row)
    progress = _Progress(row, row["received"], skip, row["received"] - skip)
    with request.app[STREAMS].one(request.match_info["address"], row["installation_id"]):
        await _store_body(request, progress)
        if progress.received < row["size"]:
            return _progress(row, progress.received)
        dispatcher = request.app[DISPATCHER]
        shared = dispatcher.shared
        found = await storing.finish_upload(dispatcher.store, shared.keys, shared.files, row)
    answer = {"received": row["size"], "file": file_view(found).model_dump(mode="json")}
    return web.json_response(answer, status=201, headers={OFFSET: str(row["size"])})


async def _upload(request: web.Request) -> UploadRow:
    """Raise Refused."""
    store, keys = request.app[DISPATCHER].store, request.app[DISPATCHER].shared.keys

    async def work(tx: Tx) -> UploadRow | None:
        link = links.read(keys, links.UPLOAD, request.match_info["address"], await tx.now())
        found = await uploads.get(tx, link.installation_id, link.id)
        return None if found is None or found["expires_at"] <= await tx.now() else found

    row = await store.read(work)
    if row is None:
        raise Refused(
            "unknown_attachment",
            "This upload is finished, or it expired. list_attachments shows the files that people "
            "have; agents call attach_file again.",
        )
    return row


def _already_stored(request: web.Request, row: UploadRow) -> int:
    """How many bytes at the beginning of the body are stored. Raise Refused if some lack."""
    given = request.headers.get("Content-Range")
    found = RANGE.fullmatch(given) if given else None
    if given and (found is None or int(found[3]) != row["size"]):
        raise Refused(
            "bad_request",
            f"Content-Range is {given!r}. Write bytes first-last/{row['size']}, as in "
            f"bytes {row['received']}-{row['size'] - 1}/{row['size']}.",
        )
    start = int(found[1]) if found else 0
    if start > row["received"]:
        raise Refused(
            "bad_request",
            f"{row['received']} bytes are stored, so send the bytes from {row['received']} on, not "
            f"from {start}.",
            received=row["received"],
        )
    return row["received"] - start


async def _store_body(request: web.Request, progress: _Progress) -> None:
    """Raise Refused."""
    parts, loop = request.content.iter_any(), asyncio.get_running_loop()
    while True:
        try:
            async with asyncio.timeout(progress.wait_s(loop.time())):
                part = await anext(parts, b"")
        except TimeoutError as exc:
            raise Refused(
                "request_timeout",
                f"Nothing came for {SILENT_S:g} s, or less than {CHUNK} bytes in {CHUNK_S:g} s. "
                f"{progress.received} bytes are stored: go on from there.",
                received=progress.received,
            ) from exc
        progress.add(part)
        await _compare(request, progress, is_end=not part)
        while len(progress.waiting) >= CHUNK:
            await _store(request, progress, CHUNK)
        if not part:
            break
    if progress.waiting and progress.is_last:
        await _store(request, progress, len(progress.waiting))


async def _compare(request: web.Request, progress: _Progress, *, is_end: bool) -> None:
    """Raise Refused if what came again is not what is stored: else the file would be a mixture."""
    dispatcher, row = request.app[DISPATCHER], progress.row
    store, keys, blob = (
        dispatcher.store,
        dispatcher.shared.keys,
        (row["installation_id"], row["id"]),
    )
    while content := progress.next_again(is_end=is_end):
        if not await chunks.is_stored(store, keys, blob, progress.compared_to, content):
            raise Refused(
                "bad_request",
                f"{progress.received} bytes are stored, and among those from byte "
                f"{progress.compared_to} on are others than you send. Nothing was changed. Go on "
                "with the file that you began with, or call attach_file again for another file.",
                received=progress.received,
            )
        progress.compared_to += len(content)
        del progress.again[: len(content)]


async def _store(request: web.Request, progress: _Progress, size: int) -> None:
    """Store one chunk. Raise Refused if another request sends the same file."""
    dispatcher = request.app[DISPATCHER]
    content = bytes(progress.waiting[:size])
    row, keys = progress.row, dispatcher.shared.keys
    if not await storing.add_chunk(dispatcher.store, keys, row, progress.received, content):
        raise Refused(
            "bad_request",
            "Another request sends the same file. GET this address says how much is stored.",
        )
    request.app[METRICS].file_bytes.labels("up").inc(size)
    progress.received += size
    del progress.waiting[:size]
