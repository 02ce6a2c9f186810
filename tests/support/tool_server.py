"""An MCP server of somebody else on loopback, with tools and with faults."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

MODERN, LEGACY = "2026-07-28", "2025-06-18"
Answer = Callable[["ToolServer", web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def tool(name: str, description: str = "Looks for tickets.", **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"words": {"type": "string"}}}
    return {"name": name, "description": description, "inputSchema": schema, **more}


@dataclass
class ToolServer:
    """`faults`: by the name of a tool, how its call is answered in place of `ok`."""

    url: str = ""
    era: str = MODERN
    token: str | None = None
    tools: list[dict[str, Any]] = field(default_factory=lambda: [tool("search")])
    page_size: int = 100
    # Each page has this cursor, and brings the same tools.
    always_cursor: str | None = None
    # How a request of a session that is not known is answered: status, and the error.
    lost_session: tuple[int, str | None] = (404, None)
    faults: dict[str, Answer] = field(default_factory=dict)
    # A status for each request.
    status: int = 0
    # Never answers these: methods of HTTP, or "note" for what is no call.
    silent_to: frozenset[str] = frozenset()
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    seen_headers: list[dict[str, str]] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    made_sessions: int = 0
    called: asyncio.Event = field(default_factory=asyncio.Event)
    # The client left before it got an answer.
    left: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    # Set to have it say that its list changed.
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/mcp")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen_headers.append(dict(request.headers))
        if self.status:
            return web.Response(status=self.status, headers=self.headers)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401)
        if request.method in self.silent_to:
            await asyncio.Event().wait()
        if request.method != "POST":
            return web.Response(status=405)
        message = await request.json()
        is_call = "id" in message and "method" in message
        if "note" in self.silent_to and not is_call:
            await asyncio.Event().wait()
        if "id" not in message:
            return web.Response(status=202)
        return await self._answer(request, message)

    async def _answer(self, request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        method, params = message["method"], message.get("params") or {}
        session = request.headers.get("Mcp-Session-Id")
        begins = method in ("server/discover", "initialize")
        if self.era == LEGACY and not begins and session not in self.sessions:
            return self._lost()
        if method == "tools/call":
            return await self._call(request, message)
        if method == "subscriptions/listen":
            return await self._listen(request, message)
        if method == "tools/list":
            return result(message, self._page(params.get("cursor")))
        return self._discover(message) if method == "server/discover" else self._initialize(message)

    def _lost(self) -> web.Response:
        status, text = self.lost_session
        if text is None:
            return web.Response(status=status)
        error = {"code": -32000, "message": text}
        return web.json_response({"jsonrpc": "2.0", "id": None, "error": error}, status=status)

    async def _call(self, request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        params = message["params"]
        self.calls.append(params)
        self.called.set()
        if fault := self.faults.get(params["name"]):
            return await fault(self, request, message)
        text = json.dumps(params.get("arguments"))
        return result(message, {"content": [{"type": "text", "text": text}]})

    def _capabilities(self) -> dict[str, Any]:
        return {"tools": {"listChanged": True}}

    def _discover(self, message: dict[str, Any]) -> web.Response:
        if self.era == LEGACY:
            return web.Response(status=404)
        found = {"supportedVersions": [MODERN], "capabilities": self._capabilities()}
        return result(message, found | {"ttlMs": 0, "cacheScope": "private"})

    def _initialize(self, message: dict[str, Any]) -> web.Response:
        self.made_sessions += 1
        session = f"session-{self.made_sessions}"
        self.sessions.add(session)
        found = {"protocolVersion": LEGACY, "capabilities": self._capabilities()}
        found["serverInfo"] = {"name": "tickets", "version": "1"}
        return result(message, found, {"Mcp-Session-Id": session})

    def _page(self, cursor: str | None) -> dict[str, Any]:
        start = int(cursor) if cursor and self.always_cursor is None else 0
        end = start + self.page_size
        page: dict[str, Any] = {"tools": self.tools[start:end]}
        if end < len(self.tools):
            page["nextCursor"] = str(end)
        if self.always_cursor is not None:
            page["nextCursor"] = self.always_cursor
        return page | ({"ttlMs": 0, "cacheScope": "private"} if self.era == MODERN else {})

    async def _listen(self, request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        stream = await open_stream(request)
        meta = {"_meta": {"io.modelcontextprotocol/subscriptionId": message["id"]}}
        method = "notifications/subscriptions/acknowledged"
        params = {"notifications": {"toolsListChanged": True}, **meta}
        await send(stream, {"jsonrpc": "2.0", "method": method, "params": params})
        self.heard.set()
        while True:
            await self.changed.wait()
            self.changed.clear()
            method = "notifications/tools/list_changed"
            await send(stream, {"jsonrpc": "2.0", "method": method, "params": meta})


def result(
    message: dict[str, Any], found: dict[str, Any], headers: dict[str, str] | None = None
) -> web.Response:
    found = {"resultType": "complete", **found}
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": found}
    return web.json_response(answer, headers=headers)


async def open_stream(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    return stream


async def send(stream: web.StreamResponse, message: dict[str, Any]) -> None:
    await stream.write(f"event: message\ndata: {json.dumps(message)}\n\n".encode())


# --- Faults ---------------------------------------------------------------------------------------


async def never(server: ToolServer, _: web.Request, __: dict[str, Any]) -> web.Response:
    """It does not answer until the client leaves."""
    try:
        await asyncio.Event().wait()
    finally:
        server.left.set()
    raise AssertionError


async def huge(_: ToolServer, request: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    """100 MB of JSON, if it is read to the end."""
    stream = web.StreamResponse(headers={"Content-Type": "application/json"})
    await stream.prepare(request)
    for _mb in range(100):
        await stream.write(b" " * 1_000_000)
    return stream


async def huge_stream(
    _: ToolServer, request: web.Request, __: dict[str, Any]
) -> web.StreamResponse:
    stream = await open_stream(request)
    for _mb in range(100):
        await stream.write(b"data: " + b"x" * 1_000_000 + b"\n\n")
    return stream


async def flood(server: ToolServer, request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    """Notifications without an end, and no answer."""
    stream = await open_stream(request)
    note = {"jsonrpc": "2.0", "method": "notifications/message"}
    params = {"level": "info", "data": "x"}
    try:
        while True:
            await send(stream, note | {"params": params})
    finally:
        server.left.set()


async def die(_: ToolServer, request: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    """It breaks off in the middle of an answer."""
    stream = await open_stream(request)
    await stream.write(b"event: message\ndata: {")
    assert request.transport
    request.transport.abort()
    return stream


async def hang_up(_: ToolServer, request: web.Request, __: dict[str, Any]) -> web.Response:
    """It reads the call, and ends the connection without an answer."""
    assert request.transport
    request.transport.abort()
    return web.Response()


async def redirect(_: ToolServer, __: web.Request, ___: dict[str, Any]) -> web.Response:
    return web.Response(status=307, headers={"Location": "http://169.254.169.254/latest/meta-data"})


async def nonsense(_: ToolServer, __: web.Request, message: dict[str, Any]) -> web.Response:
    """A result that is none."""
    return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": "all is well"})


async def slash(_: ToolServer, request: web.Request, __: dict[str, Any]) -> web.Response:
    """It answers at the address with a slash at its end."""
    where = str(request.url.with_path("/mcp/").with_query({"token": "s3cret"}))
    return web.Response(status=307, headers={"Location": where})


def answers(found: dict[str, Any]) -> Answer:
    """A call has this result."""

    async def answer(_: ToolServer, __: web.Request, message: dict[str, Any]) -> web.Response:
        return result(message, found)

    return answer


def sends(body: Callable[[dict[str, Any]], bytes], kind: str = "application/json") -> Answer:
    """The answer to a call, byte by byte."""

    async def answer(_: ToolServer, __: web.Request, message: dict[str, Any]) -> web.Response:
        return web.Response(body=body(message), content_type=kind)

    return answer


async def refuse(_: ToolServer, __: web.Request, message: dict[str, Any]) -> web.Response:
    """It answers as many servers answer wrong arguments: with an error of JSON-RPC."""
    error = {"code": -32602, "message": "Invalid arguments for tool: `limit` is too large"}
    return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error})


async def busy(_: ToolServer, __: web.Request, ___: dict[str, Any]) -> web.Response:
    return web.Response(status=429, headers={"Retry-After": "7"})


async def no_session(_: ToolServer, __: web.Request, message: dict[str, Any]) -> web.Response:
    """An error of the tool, in the words of servers that lost a session."""
    error = {"code": -32000, "message": "Session not found"}
    return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error})


async def ask_back(_: ToolServer, request: web.Request, message: dict[str, Any]) -> Any:
    """It asks its client for something before it answers."""
    stream = await open_stream(request)
    for method in ("roots/list", "ping", "sampling/createMessage", "elicitation/create"):
        await send(stream, {"jsonrpc": "2.0", "id": method, "method": method})
    found = {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}
    await send(stream, {"jsonrpc": "2.0", "id": message["id"], "result": found})
    return stream


async def steps(_: ToolServer, request: web.Request, message: dict[str, Any]) -> Any:
    """It says how far it is."""
    stream = await open_stream(request)
    token = message["params"]["_meta"]["progressToken"]
    for done in (1, 2):
        params = {"progressToken": token, "progress": done, "total": 2, "message": f"step {done}"}
        note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
        await send(stream, note)
    found = {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}
    await send(stream, {"jsonrpc": "2.0", "id": message["id"], "result": found})
    return stream


@asynccontextmanager
async def open_tool_server(**given: Any) -> AsyncIterator[ToolServer]:
    server, app = ToolServer(**given), web.Application()
    app.router.add_route("*", "/mcp", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    try:
        yield server
    finally:
        await runner.cleanup()
