"""`POST /mcp`: plain calls by the fast path, all other requests by the MCP library."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from aiohttp import web

from bot.dispatch.callers import Caller
from bot.flags.known import MCP_FAST_PATH
from bot.identity.actors import Actor
from webhooks.app_keys import ACTOR, DISPATCHER
from webhooks.asgi import ASGI, handle_by_asgi
from webhooks.bodies import BODIES
from webhooks.origins import caller_of
from webhooks.rest import LARGEST

FAILED = 500
# The body of the answer to a plain call, from headers and body of the request. None: it is another
# request.
Answer: TypeAlias = Callable[[Mapping[str, str], bytes, Actor, Caller], Awaitable[bytes | None]]


class MCP(Protocol):
    """`answer` takes plain calls, and `handle` takes every request."""

    @property
    def answer(self) -> Answer: ...

    @property
    def handle(self) -> ASGI: ...


# Opens it when the server starts and closes it when the server stops.
Mount: TypeAlias = Callable[[], AbstractAsyncContextManager[MCP]]


async def respond(mcp: MCP, request: web.Request) -> web.StreamResponse:
    body = await request.app[BODIES].read(request, LARGEST)
    flags, actor = request.app[DISPATCHER].shared.flags, request[ACTOR]
    with flags.measure(MCP_FAST_PATH, actor.installation_id) as trial:
        if trial.is_on:
            answer = await mcp.answer(request.headers, body, actor, caller_of(request))
            if answer is not None:
                return web.Response(body=answer, content_type="application/json")
        response = await handle_by_asgi(mcp.handle, request, body)
        trial.is_error = response.status >= FAILED
        return response
