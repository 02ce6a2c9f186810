"""Connections to tool servers as a process has them, for tests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from bot.mounts import stored_documents
from bot.tool_servers.access_tokens import AccessTokens
from bot.tool_servers.connections import ByKind, ServerSpec, Unavailable
from bot.tool_servers.network import Network
from bot.tool_servers.openapi.servers import OpenApiServers
from bot.tool_servers.operator_file import Process
from mcp_server.upstreams.connecting import Opener
from mcp_server.upstreams.servers import McpServers
from store.engine.transaction import Store
from store.mounts import mounts
from tests.support.story import Workspace


class Connected:
    """`changed`, `log`: what servers said by themselves."""

    def __init__(
        self,
        trusted: tuple[str, ...],
        servers: Mapping[str, Process],
        most: int,
        resolver: AbstractResolver | None,
    ) -> None:
        self.changed: list[tuple[int, str]] = []
        self.heard = asyncio.Event()
        self.log: list[str] = []
        network = Network(frozenset(trusted), resolver)
        opener = Opener(network, servers, self._note, AccessTokens(network))
        self.servers = McpServers(opener, self._hear, most)

    def _note(self, _: ServerSpec, line: str) -> None:
        self.log.append(line)

    def _hear(self, installation_id: int, server_id: str) -> None:
        self.changed.append((installation_id, server_id))
        self.heard.set()

    async def call(self, spec: ServerSpec, name: str = "search", **given: Any) -> Any:
        limits = {"timeout_s": 20.0, "max_bytes": 100_000} | given
        return await self.servers.call_tool(spec, name, {"words": "fire"}, **limits)

    async def failure(self, spec: ServerSpec, name: str = "search", **given: Any) -> Unavailable:
        with pytest.raises(Unavailable) as caught:
            await self.call(spec, name, **given)
        return caught.value


@asynccontextmanager
async def connect(
    *trusted: str,
    servers: Mapping[str, Process] | None = None,
    most: int = 200,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[Connected]:
    connected = Connected(trusted, servers or {}, most, resolver)
    try:
        yield connected
    finally:
        await connected.servers.close()


@asynccontextmanager
async def reaching(workspace: Workspace, *trusted: str) -> AsyncIterator[Connected]:
    """Operations of the workspace reach tool servers, also at these origins."""
    async with connect(*trusted) as connected:
        read_document = partial(stored_documents.read, workspace.store)
        services = OpenApiServers(Network(frozenset(trusted)), read_document)
        shared = workspace.dispatcher.shared
        workspace.dispatcher.shared = replace(
            shared,
            trusted_origins=frozenset(trusted),
            outside=replace(
                shared.outside,
                tool_servers=ByKind({"mcp": connected.servers, "openapi": services}),
            ),
        )
        yield connected
        await services.close()
        await remove_mounts(workspace)


async def remove_mounts(workspace: Workspace) -> None:
    """Tests on one database see each other's servers in the loop that looks at them."""
    await remove_mounts_of(workspace.store, workspace.installation.id)


async def remove_mounts_of(store: Store, installation_id: int) -> None:
    for row in await store.read(lambda tx: mounts.all_of(tx, installation_id)):
        remove = partial(mounts.remove, installation_id=installation_id, mount_id=row["id"])
        await store.write(remove)
