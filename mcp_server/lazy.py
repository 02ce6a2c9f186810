"""Loads MCP while the server runs already: its library takes a third of the start time."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens


@dataclass(frozen=True)
class Loading:
    """The handlers of `mcp_server.http`. Early requests wait until they are loaded."""

    loaded: asyncio.Future[Any]
    life: asyncio.Task[None]

    async def answer(self, *given: Any) -> bytes | None:
        endpoint = await self._endpoint()
        body: bytes | None = await endpoint.answer(*given)
        return body

    async def handle(self, *given: Any) -> None:
        await (await self._endpoint()).handle(*given)

    async def _endpoint(self) -> Any:
        if not self.loaded.done():
            await asyncio.wait([self.loaded, self.life], return_when=asyncio.FIRST_COMPLETED)
        if self.life.done():
            await self.life  # raises why it could not be loaded: a bug
        return self.loaded.result()


@asynccontextmanager
async def serving(
    dispatcher: Dispatcher, tokens: Tokens, names: Collection[str]
) -> AsyncIterator[Loading]:
    """Load and start the handlers of /mcp, and stop them at the end. `names`: of this server."""
    loaded: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def live() -> None:
        """Start and stop it in the same task, which the library requires."""
        http = await asyncio.to_thread(import_module, "mcp_server.http")
        async with http.serving(dispatcher, tokens, http.allowed_hosts(names)) as endpoint:
            loaded.set_result(endpoint)
            await over.wait()

    life = asyncio.create_task(live())
    try:
        yield Loading(loaded, life)
    finally:
        over.set()
        await life
