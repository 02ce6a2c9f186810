"""An HTTP service on loopback that keeps what it gets, and answers and fails as a test wants."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson
from aiohttp import web

from bot.tool_servers.connections import ClientCredentials, ServerSpec
from bot.tool_servers.network import Network
from bot.tool_servers.openapi.options import Options
from bot.tool_servers.openapi.service import Choice, read_service
from bot.tool_servers.openapi.tools import Given, manifest_of

Reply: TypeAlias = web.StreamResponse | Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """`target`: the path and the query as they were sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass
class HttpService:
    """`replies`: what it answers next; then 200 with `{"ok": true}`."""

    origin: str = ""
    replies: deque[Reply] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    token_replies: deque[Reply] = field(default_factory=deque)
    has_received: asyncio.Event = field(default_factory=asyncio.Event)
    # Clients of the service's own clock: seconds, and what they slept.
    time: float = 1000.0
    slept: list[float] = field(default_factory=list)

    @property
    def network(self) -> Network:
        return Network(trusted=[self.origin])

    @property
    def oauth(self) -> ClientCredentials:
        return ClientCredentials(f"{self.origin}/token", "hubbub", "client-secret", "read")

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.has_received.set()
        self.received.append(
            Received(request.method, request.raw_path, dict(request.headers), body)
        )
        if not self.replies:
            return json({"ok": True})
        reply = self.replies.popleft()
        return await reply(request) if callable(reply) else reply

    async def token(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(dict(await request.post()))
        if self.token_replies:
            reply = self.token_replies.popleft()
            return await reply(request) if callable(reply) else reply
        return json({"access_token": f"token-{len(self.tokens)}", "expires_in": 3600})

    def spec(
        self, document: dict[str, Any], options: Options | None = None, **more: Any
    ) -> ServerSpec:
        """The service, mounted by a document without servers."""
        wanted = options or Options()
        service = read_service(orjson.dumps(document), f"{self.origin}/v1")
        manifest = manifest_of(service, Choice(), Given(wanted.paging))
        return ServerSpec(
            1,
            "m_1",
            1,
            "openapi",
            manifest.base_url,
            document=manifest.model_dump(mode="json"),
            options=wanted.model_dump(mode="json"),
            **more,
        )


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(value), status=status, content_type="application/json", headers=headers
    )


def raw(
    content: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(body=content, status=status, headers=headers)


def in_pieces(content: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Send each byte by itself, and let the caller read it before the next one comes."""

    async def reply(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        await stream.prepare(request)
        for n in range(len(content)):
            await stream.write(content[n : n + 1])
            for _ in range(5):
                await asyncio.sleep(0)
        return stream

    return reply


async def die(request: web.Request) -> web.StreamResponse:
    """Close the connection in place of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def never(_request: web.Request) -> web.StreamResponse:
    """Answer nothing until the caller leaves."""
    await asyncio.Event().wait()
    return web.Response()


@asynccontextmanager
async def http_service() -> AsyncIterator[HttpService]:
    service = HttpService()
    app = web.Application()
    app.router.add_post("/token", service.token)
    app.router.add_route("*", "/{path:.*}", service.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


def document(*operations: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A document with operations such as `("GET /pets", {…})`."""
    paths: dict[str, Any] = {}
    for label, operation in operations:
        method, path = label.split(" ", 1)
        paths.setdefault(path, {})[method.lower()] = operation
    info = {"title": "Pets", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, **more}
