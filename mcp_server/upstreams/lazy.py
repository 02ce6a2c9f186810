"""Connections to MCP servers whose library is loaded with the first call."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from bot.kernel import late_imports
from bot.tool_servers.access_tokens import AccessTokens
from bot.tool_servers.connections import Json, Progress, ServerSpec, ToolResult, ToolSpec
from bot.tool_servers.network import Network
from bot.tool_servers.operator_file import Process


@dataclass
class LazyServers:
    """As `McpServers`, which it makes when it is needed."""

    network: Network
    processes: Mapping[str, Process]
    log: Callable[[ServerSpec, str], None]
    changed: Callable[[int, str], None]
    _loading: asyncio.Task[Any] | None = None
    _idle: asyncio.Task[None] | None = None

    async def _servers(self) -> Any:
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        return await asyncio.shield(self._loading)

    async def _load(self) -> Any:
        connecting: Any = await late_imports.load("mcp_server.upstreams.connecting")
        servers: Any = await late_imports.load("mcp_server.upstreams.servers")
        tokens = AccessTokens(self.network)
        opener = connecting.Opener(self.network, self.processes, self.log, tokens)
        made = servers.McpServers(opener, self.changed)
        self._idle = asyncio.create_task(made.close_idle())
        return made

    async def list_tools(self, spec: ServerSpec) -> list[ToolSpec]:
        found: list[ToolSpec] = await (await self._servers()).list_tools(spec)
        return found

    async def call_tool(
        self,
        spec: ServerSpec,
        tool: str,
        arguments: Json,
        timeout_s: float,
        max_bytes: int,
        progress: Progress | None = None,
    ) -> ToolResult:
        servers = await self._servers()
        found: ToolResult = await servers.call_tool(
            spec, tool, arguments, timeout_s, max_bytes, progress
        )
        return found

    def connections(self) -> Collection[tuple[int, str, int]]:
        """The connections that are open."""
        if self._loading is None or not self._loading.done():
            return ()
        found: Collection[tuple[int, str, int]] = self._loading.result().connections()
        return found

    async def drop(self, installation_id: int, server_id: str) -> None:
        if self._loading is not None:
            await (await self._servers()).drop(installation_id, server_id)

    async def close(self) -> None:
        if self._loading is None:
            return
        servers = await self._servers()
        if self._idle is not None:
            self._idle.cancel()
            with suppress(asyncio.CancelledError):
                await self._idle
        await servers.close()


@asynccontextmanager
async def open_servers(
    network: Network,
    processes: Mapping[str, Process],
    log: Callable[[ServerSpec, str], None],
    changed: Callable[[int, str], None],
) -> AsyncIterator[LazyServers]:
    servers = LazyServers(network, processes, log, changed)
    try:
        yield servers
    finally:
        await servers.close()
