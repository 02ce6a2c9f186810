"""`hubbub mcp`: MCP over stdio for one agent.

With a server's address it only forwards, so that an agent's machine needs no database.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from bot.actor import Actor
from bot.errors import Refused
from bot.hub import Hub
from mcp_server.server import INSTRUCTIONS, NAME, VERSION, create_server, result

# Longer than the longest wait_s.
TIMEOUT_S = 70


async def serve_agent(hub: Hub, actor: Actor) -> None:
    """Straight on the database, as one agent."""
    await _run(create_server(hub, lambda _: actor))


async def bridge(url: str, token: str) -> None:
    """Forward to the server at `url`. A call after it was away connects anew."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S) as http:
        await _run(_forwarding(url, http))


async def _run(server: Server) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _forwarding(url: str, http: httpx2.AsyncClient) -> Server:
    async def list_tools(
        _: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        try:
            async with _connected(url, http) as client:
                return await client.list_tools(cursor=params.cursor if params else None)
        except Refused as exc:
            raise MCPError(types.INTERNAL_ERROR, exc.message, exc.body()) from exc

    async def call_tool(
        _: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        try:
            async with _connected(url, http) as client:
                return await client.call_tool(params.name, params.arguments or {})
        except Refused as exc:
            return result(exc.body(), is_error=True)

    return Server(
        NAME,
        version=VERSION,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


@asynccontextmanager
async def _connected(url: str, http: httpx2.AsyncClient) -> AsyncIterator[Client]:
    """A connection for one call. Raise Refused when the server is away or knows no such token."""
    try:
        async with Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client:
            yield client
    except (MCPError, httpx2.HTTPError, OSError, ExceptionGroup) as exc:
        raise await _meaning(url, http, _first(exc)) from exc


async def _meaning(url: str, http: httpx2.AsyncClient, failed: BaseException) -> BaseException:
    if isinstance(failed, httpx2.HTTPError | OSError):
        return Refused(
            "unavailable",
            f"Hubbub at {url} does not answer ({failed}). Check HUBBUB_URL, or try again later.",
        )
    if isinstance(failed, MCPError) and await _unauthenticated(url, http):
        return Refused(
            "unauthenticated",
            f"Hubbub at {url} does not know the token in HUBBUB_TOKEN, or it was revoked. "
            "`hubbub token create` makes another.",
        )
    return failed


async def _unauthenticated(url: str, http: httpx2.AsyncClient) -> bool:
    """The client library keeps the status of a refused connection to itself."""
    try:
        return (await http.get(f"{url}/api/v1/")).status_code == 401
    except httpx2.HTTPError:
        return False


def _first(found: BaseException) -> BaseException:
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
