"""The simulated GitHub at the addresses of an Enterprise Server, whose API is at /api/v3."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

NOT_PASSED_ON = ("Host", "Content-Length", "Transfer-Encoding", "Content-Encoding")


@asynccontextmanager
async def enterprise_server(github: str) -> AsyncIterator[str]:
    """Yield the address of its web pages."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def pass_on(request: web.Request) -> web.Response:
            path = request.path_qs.removeprefix("/api/v3")
            kept = {k: v for k, v in request.headers.items() if k not in NOT_PASSED_ON}
            async with session.request(
                request.method,
                github + path,
                data=await request.read(),
                headers=kept,
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
                headers = {k: v for k, v in answer.headers.items() if k not in NOT_PASSED_ON}
                return web.Response(status=answer.status, body=body, headers=headers)

        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", pass_on)
        async with TestServer(app) as server:
            yield str(server.make_url("")).rstrip("/")
