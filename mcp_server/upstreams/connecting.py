"""How a connection is opened, by the kind of the server."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client

from bot.tool_servers.access_tokens import AccessTokens
from bot.tool_servers.connections import ServerSpec, Unavailable
from bot.tool_servers.network import Network
from bot.tool_servers.operator_file import Process
from mcp_server.upstreams import processes
from mcp_server.upstreams.exchange import MOST_BYTES
from mcp_server.upstreams.leniency import lenient
from mcp_server.upstreams.web import TRACE, WebTransport

# The library logs what servers send and what it cannot read; callers get that as an error.
logging.getLogger("mcp.client").setLevel(logging.CRITICAL)

NAME = types.Implementation(name="hubbub", version="1")
# What is heard when the server of a connection ended.
ENDED = object()
Hear = Callable[[object], None]
# What a server says on its standard error: the server, and the line.
Log = Callable[[ServerSpec, str], None]


@dataclass(frozen=True)
class Opener:
    """Opens connections to servers. `servers`: those of the operator's file."""

    network: Network
    servers: Mapping[str, Process]
    log: Log
    tokens: AccessTokens

    @asynccontextmanager
    async def connect(self, spec: ServerSpec, hear: Hear) -> AsyncIterator[Client]:
        """Raise Unavailable, or what the library raises."""
        opened = self._process(spec, hear) if spec.kind == "stdio" else self._web(spec, hear)
        async with opened as client:
            yield client

    @asynccontextmanager
    async def _web(self, spec: ServerSpec, hear: Hear) -> AsyncIterator[Client]:
        async with (
            self.network.open_session(spec.url, {}, TRACE) as session,
            httpx2.AsyncClient(
                transport=WebTransport(spec, session, self.tokens), trust_env=False, timeout=None
            ) as http,
            _client(
                streamable_http_client(spec.url, http_client=http, max_sse_event_size=MOST_BYTES),
                hear,
            ) as client,
        ):
            yield client

    @asynccontextmanager
    async def _process(self, spec: ServerSpec, hear: Hear) -> AsyncIterator[Client]:
        wanted = self.servers.get(spec.options.get("server", ""))
        if wanted is None:
            raise Unavailable(
                "refused", "The operator's file of this process does not have the server any more."
            )
        log = partial(self.log, spec)
        process = processes.running(wanted, log, lambda: hear(ENDED))
        async with _client(process, hear) as client:
            yield client


def _client(transport: AbstractAsyncContextManager[TransportStreams], hear: Hear) -> Client:
    async def handle(message: object) -> None:
        hear(message)

    return Client(
        lenient(transport),
        mode="auto",
        message_handler=handle,
        client_info=NAME,
        cache=None,
    )
