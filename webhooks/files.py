"""`GET /files/…`: downloads of attached files by short-lived addresses."""

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from typing import Literal

from aiohttp import web

from bot.errors import Refused
from bot.files import chunks, links, names
from bot.files.chunks import CHUNK
from bot.files.links import Link
from store.engine.transaction import Tx
from store.files import attachments
from store.files.attachments import FullAttachment
from webhooks.app_keys import DISPATCHER, METRICS
from webhooks.file_streams import CHUNK_S, STREAMS, FileStreams

RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
# Whatever a browser would run stays a download without a type.
SHOWN = re.compile(r"(image/(png|jpeg|gif|webp)|audio/[\w.-]+|video/[\w.-]+|application/pdf)")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
    "Accept-Ranges": "bytes",
}


@dataclass(frozen=True)
class Span:
    """The bytes from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


def add_routes(app: web.Application) -> None:
    app[STREAMS] = FileStreams()
    app.router.add_get("/files/{address}", download)


async def download(request: web.Request) -> web.StreamResponse:
    row = await _attachment(request)
    etag = f'"{row["digest"]}"'
    headers = {**HEADERS, "ETag": etag, "Content-Disposition": names.header_value(row["name"])}
    if etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    asked, status = _span(request, row["size"], etag), 200
    if asked is None:
        headers["Content-Range"] = f"bytes */{row['size']}"
        return web.Response(status=416, headers=headers)
    span = asked or Span(0, row["size"] - 1)
    if asked:
        # Also for all bytes: some players take an answer to a range only with 206.
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{row['size']}"
        status = 206
    response = web.StreamResponse(status=status, headers=headers)
    response.content_type = (
        row["type"] if SHOWN.fullmatch(row["type"]) else "application/octet-stream"
    )
    response.content_length = span.size
    with request.app[STREAMS].one(request.match_info["address"], row["installation_id"]):
        if request.method == "HEAD" or not span.size:
            await response.prepare(request)
        else:
            await _send(request, response, row, span)
    await response.write_eof()
    return response


async def _attachment(request: web.Request) -> FullAttachment:
    """The file of the address. Raise Refused."""
    store, keys = request.app[DISPATCHER].store, request.app[DISPATCHER].shared.keys

    async def work(tx: Tx) -> tuple[Link, FullAttachment | None]:
        link = links.read(keys, links.DOWNLOAD, request.match_info["address"], await tx.now())
        return link, await attachments.get(tx, link.installation_id, link.id)

    _, row = await store.read(work)
    if row is None:
        raise gone_error()
    return row


def gone_error() -> Refused:
    return Refused("unknown_attachment", "This file was deleted.")


def _span(request: web.Request, size: int, etag: str) -> Span | Literal[False] | None:
    """The bytes of the range; False without one. None: they are not there."""
    found = RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None or request.headers.get("If-Range", etag) != etag or not any(found.groups()):
        return False
    first, last = found.groups()
    if not first:
        return Span(max(0, size - int(last)), size - 1) if int(last) and size else None
    span = Span(int(first), min(int(last or size), size - 1))
    return span if span.first <= span.last else None


async def _send(
    request: web.Request, response: web.StreamResponse, row: FullAttachment, span: Span
) -> None:
    """Send the bytes chunk by chunk. A slow reader makes the next chunk wait, but not for long.

    Raise Refused if the file cannot be read. After the first chunk, this breaks the connection.
    """
    dispatcher, counter = request.app[DISPATCHER], request.app[METRICS].file_bytes
    blob = (row["installation_id"], row["blob_id"])
    number, last = span.first // CHUNK, span.last // CHUNK
    sent = 0
    read = partial(chunks.stream, dispatcher.store, dispatcher.shared.keys, blob)
    async for part in read(number, last, row["id"]):
        start = number * CHUNK
        cut = part[max(0, span.first - start) : span.last - start + 1]
        if not response.prepared:
            await response.prepare(request)
        await _write(response, cut)
        counter.labels("down").inc(len(cut))
        sent, number = sent + len(cut), number + 1
    if sent < span.size:
        # A short answer must not look whole.
        raise gone_error()


async def _write(response: web.StreamResponse, content: bytes) -> None:
    try:
        async with asyncio.timeout(CHUNK_S):
            await response.write(content)
    except TimeoutError as exc:
        raise ConnectionAbortedError("it is read too slowly") from exc
