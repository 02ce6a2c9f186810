"""One connection to a server. A task of its own opens and closes it, as the library requires."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeAlias

import mcp_types as types
from mcp import Client, MCPError
from mcp.client.subscriptions import ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from bot.tool_servers.connections import ServerSpec, Unavailable
from mcp_server.upstreams.connecting import ENDED
from mcp_server.upstreams.exchange import CURRENT, Exchange
from mcp_server.upstreams.results import failure_of

CONNECT_S = 20.0
# The server has so much time to hear that a connection ends.
CLOSE_S = 10.0
# A server says that its tools changed as often as it likes: it is heard so often.
HEARD_EVERY_S = 30.0
# Without a call it is closed after this time.
IDLE_S = 300.0
# After the stream of a server's events broke.
LISTEN_AGAIN_S = 60.0

# Makes a new client each time: one serves for one connection.
Connect: TypeAlias = Callable[
    [ServerSpec, Callable[[object], None]], AbstractAsyncContextManager[Client]
]


class Upstream:
    def __init__(self, spec: ServerSpec, connect: Connect, on_change: Callable[[], None]) -> None:
        self.spec = spec
        self.used_at = time.monotonic()
        self.calls = 0
        self._connect = connect
        self._on_change = on_change
        self._heard_at = 0.0
        # Closed, or about to be.
        self.ended = asyncio.Event()
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._own())

    @property
    def is_over(self) -> bool:
        return self._task.done() or self.ended.is_set()

    async def client(self) -> Client:
        """The connected client. Raise Unavailable."""
        return await asyncio.shield(self._ready)

    async def _own(self) -> None:
        exchange = Exchange()
        CURRENT.set(exchange)
        try:
            await self._live()
        except Exception as exc:  # noqa: BLE001 - the library raises whatever a server causes
            if not self._ready.done():
                failure = exc if isinstance(exc, Unavailable) else failure_of(exc, exchange)
                self._ready.set_exception(failure)
        finally:
            if not self._ready.done():
                self._ready.set_exception(
                    Unavailable("unreachable", "The connection ended before it was open.")
                )
            # Nobody may wait for it any more.
            self._ready.exception()

    async def _live(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S) as limit:
                async with self._connect(self.spec, self._hear) as client:
                    limit.reschedule(None)
                    CURRENT.set(None)
                    self._ready.set_result(client)
                    await self._listen(client)
        except TimeoutError as exc:
            raise Unavailable(
                "timeout", f"The server did not open a connection within {CONNECT_S:g} s."
            ) from exc

    async def _listen(self, client: Client) -> None:
        """Until it is to be closed: hear that the list of tools changed, if the server says so."""
        tools = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or not (
            tools and tools.list_changed
        ):
            # An older one says so on its own, to the handler of messages.
            await self.ended.wait()
            return
        closing = asyncio.create_task(self.ended.wait())
        try:
            while not closing.done():
                hearing = asyncio.create_task(self._follow(client))
                await asyncio.wait({closing, hearing}, return_when=asyncio.FIRST_COMPLETED)
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
                await asyncio.wait({closing}, timeout=LISTEN_AGAIN_S)
        finally:
            closing.cancel()

    async def _follow(self, client: Client) -> None:
        with suppress(MCPError, RuntimeError, TimeoutError):
            async with client.listen(tools_list_changed=True) as events:
                async for each in events:
                    self._hear(each)

    def _hear(self, message: object) -> None:
        if message is ENDED:
            self.ended.set()
        now = time.monotonic()
        is_change = isinstance(message, ToolsListChanged | types.ToolListChangedNotification)
        if is_change and now - self._heard_at >= HEARD_EVERY_S:
            self._heard_at = now
            self._on_change()

    def is_idle(self, now: float) -> bool:
        return not self.calls and now - self.used_at > IDLE_S

    async def close(self) -> None:
        """End it. What still runs over it fails."""
        self.ended.set()
        if not self._ready.done():
            self._task.cancel()
        _, late = await asyncio.wait({self._task}, timeout=CLOSE_S)
        if late:
            self._task.cancel()
            await asyncio.wait(late, timeout=CLOSE_S)
