"""MCP over Streamable HTTP, for both protocol eras, as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from mcp.server import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from bot.actor import Actor
from bot.hub import Hub
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
    """The ASGI application, between its start and its end. Each request brings its actor along."""
    manager = StreamableHTTPSessionManager(
        app=create_server(hub, _actor),
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


def _actor(context: ServerRequestContext[Any, Any]) -> Actor:
    assert context.request is not None
    actor: Actor = context.request.scope["state"]["actor"]
    return actor
