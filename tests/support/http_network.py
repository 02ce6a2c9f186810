"""A network between a client and a server over HTTP that can lose answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

PASSED_ON = ("Content-Type", "Authorization", "Accept", "MCP-Protocol-Version")


@dataclass
class HttpNetwork:
    """`lost`: paths whose next answers are lost after the server has given them."""

    to: str
    session: aiohttp.ClientSession
    url: str = ""
    lost: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        self.paths.append(request.path)
        async with self.session.request(
            request.method, self.to + request.path_qs, data=await request.read(), headers=headers
        ) as response:
            body = await response.read()
        if request.path in self.lost:
            self.lost.remove(request.path)
            assert request.transport is not None
            request.transport.abort()
        return web.Response(
            status=response.status, body=body, headers={"Content-Type": response.content_type}
        )


@asynccontextmanager
async def http_network(to: str) -> AsyncIterator[HttpNetwork]:
    async with aiohttp.ClientSession() as session:
        made = HttpNetwork(to, session)
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", made.answer)
        async with TestServer(app) as server:
            made.url = str(server.make_url("")).rstrip("/")
            yield made
