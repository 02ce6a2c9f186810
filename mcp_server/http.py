"""MCP over Streamable HTTP, for both protocol eras, as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from bot.actor import Actor
from bot.hub import Hub
from mcp_server.identity import Asking
from mcp_server.server import create_server

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def allowed_hosts(host: str, public_url: str | None) -> list[str]:
    """What a request's Host may be: no web page reaches a local server by a name of its own."""
    names = {*LOOPBACK, host}
    if public_url:
        names.add(urlsplit(public_url).hostname or "")
    return sorted(each for name in names if name for each in (name, f"{name}:*"))


@asynccontextmanager
async def serving(hub: Hub, hosts: list[str]) -> AsyncIterator[Any]:
    """The ASGI application, between its start and its end."""
    manager = StreamableHTTPSessionManager(
        app=create_server(hub, partial(_actor, hub)),
        # Older clients too: any process may answer any of their requests.
        stateless=True,
        security_settings=TransportSecuritySettings(
            allowed_hosts=hosts,
            allowed_origins=[
                f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")
            ],
        ),
    )
    async with manager.run():
        yield manager.asgi_app


async def _actor(hub: Hub, context: Asking) -> Actor:
    """Of the token that the request came with: it may have been revoked since."""
    assert context.request is not None
    _, _, token = context.request.headers["authorization"].partition(" ")
    return await hub.authenticate(token.strip())
