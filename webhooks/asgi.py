"""Runs an ASGI application inside of aiohttp, with streamed answers and disconnects."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from aiohttp import web
from multidict import CIMultiDict

from webhooks.app_keys import ACTOR
from webhooks.disconnects import is_gone
from webhooks.origins import caller_of

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGI: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# How soon a disconnect is noticed.
LOOK_EVERY_S = 1.0
# aiohttp sets these itself for each connection.
HOP_BY_HOP = frozenset({"connection", "transfer-encoding"})


class Exchange:
    """One request and its answer, as ASGI sees them."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self._request = request
        self._body = body
        self._read = False
        self._done = asyncio.Event()
        self._start: Message = {}
        self.response: web.StreamResponse | None = None

    async def receive(self) -> Message:
        if not self._read:
            self._read = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        # Wait until the answer is sent or the client is gone.
        while not self._done.is_set() and not is_gone(self._request):
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._done.wait()
            except TimeoutError:
                continue
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            # An answer of known length is sent together with its body.
            if not any(name.lower() == b"content-length" for name, _ in message.get("headers", ())):
                await self._begin()
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self.response is None and not more:
            self.response = web.Response(
                status=self._start["status"], headers=self._headers(), body=body
            )
            self._done.set()
            return
        try:
            response = self.response or await self._begin()
            if body:
                await response.write(body)
            if not more:
                await response.write_eof()
                self._done.set()
        except ConnectionError:
            self._done.set()

    async def _begin(self) -> web.StreamResponse:
        self.response = web.StreamResponse(status=self._start["status"], headers=self._headers())
        await self.response.prepare(self._request)
        return self.response

    def _headers(self) -> CIMultiDict[str]:
        return CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._start.get("headers", ())
            if name.decode("latin-1").lower() not in HOP_BY_HOP
        )

    def end(self) -> None:
        self._done.set()


async def handle_by_asgi(app: ASGI, request: web.Request, body: bytes) -> web.StreamResponse:
    """Let the application answer. The actor is in the state of the scope."""
    exchange = Exchange(request, body)
    try:
        await app(_scope(request), exchange.receive, exchange.send)
    finally:
        exchange.end()
    if exchange.response is None:
        raise web.HTTPInternalServerError
    return exchange.response


def _scope(request: web.Request) -> dict[str, Any]:
    transport = request.transport
    ends = ("peername", "sockname")
    client, server = (
        (transport.get_extra_info(end) or ("", 0))[:2] if transport else None for end in ends
    )
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": f"{request.version.major}.{request.version.minor}",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.raw_path.partition("?")[0].encode(),
        "root_path": "",
        "query_string": request.query_string.encode(),
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": client,
        "server": server,
        "state": {"actor": request.get(ACTOR), "caller": caller_of(request)},
    }
