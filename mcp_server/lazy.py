"""Loads MCP while the server runs already: its library takes a third of the start time."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens
from bot.kernel import late_imports

# After the start. Until then the server has other work, and a server that is stopped at once does
# not wait until the library is loaded.
LOAD_AFTER_S = 30.0


@dataclass(frozen=True)
class Loading:
    """The handlers of `mcp_server.http`. The first request loads them, if it comes early."""

    needed: asyncio.Event
    loaded: asyncio.Future[Any]
    life: asyncio.Task[None]

    async def answer(self, *given: Any) -> bytes | None:
        endpoint = await self._endpoint()
        body: bytes | None = await endpoint.answer(*given)
        return body

    async def handle(self, *given: Any) -> None:
        await (await self._endpoint()).handle(*given)

    async def _endpoint(self) -> Any:
        self.needed.set()
        if not self.loaded.done():
            await asyncio.wait([self.loaded, self.life], return_when=asyncio.FIRST_COMPLETED)
        if self.life.done():
            await self.life  # raises why it could not be loaded: a bug
        return self.loaded.result()


@asynccontextmanager
async def serving(
    dispatcher: Dispatcher,
    tokens: Tokens,
    names: Collection[str],
    load_after_s: float = LOAD_AFTER_S,
) -> AsyncIterator[Loading]:
    """Load and start the handlers of /mcp, and stop them at the end. `names`: of this server."""
    loaded: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    needed, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        """Start and stop it in the same task, which the library requires."""
        await _wait_until(needed, load_after_s)
        if over.is_set():
            return
        http: Any = await late_imports.load("mcp_server.http")
        async with http.serving(dispatcher, tokens, http.allowed_hosts(names)) as endpoint:
            loaded.set_result(endpoint)
            await over.wait()

    life = asyncio.create_task(live())
    try:
        yield Loading(needed, loaded, life)
    finally:
        over.set()
        needed.set()
        # The process may have stopped the load.
        with suppress(asyncio.CancelledError):
            await life


async def _wait_until(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
