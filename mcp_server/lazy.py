"""Loads MCP while the server runs already: its library takes a third of the start time."""

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
    """The ASGI application of `mcp_server.http`. Early requests wait until it is loaded."""
    loaded: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def live() -> None:
        """Start and stop it in the same task, which the library requires."""
        http = await asyncio.to_thread(import_module, "mcp_server.http")
        async with http.serving(
            dispatcher, tokens, http.allowed_hosts(host, public_url)
        ) as application:
            loaded.set_result(application)
            await over.wait()

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.wait([loaded, life], return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            await life  # raises why it could not be loaded: a bug
        await loaded.result()(scope, receive, send)

    life = asyncio.create_task(live())
    try:
        yield handle
    finally:
        over.set()
        await life
