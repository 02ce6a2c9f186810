"""MCP, loaded beside the first requests: its library takes a third of the time of a start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens


@asynccontextmanager
async def serving(
    dispatcher: Dispatcher, tokens: Tokens, host: str, public_url: str | None
) -> AsyncIterator[Any]:
    """The ASGI application of `mcp_server.http`; those who come early wait for it."""
    loaded: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def live() -> None:
        """From its start to its end, in one task as the library wants it."""
        http = await asyncio.to_thread(import_module, "mcp_server.http")
        async with http.serving(
            dispatcher, tokens, http.allowed_hosts(host, public_url)
        ) as application:
            loaded.set_result(application)
            await over.wait()

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.wait([loaded, life], return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            await life  # it could not be loaded: that is a bug, told as others are
        await loaded.result()(scope, receive, send)

    life = asyncio.create_task(live())
    try:
        yield handle
    finally:
        over.set()
        await life
