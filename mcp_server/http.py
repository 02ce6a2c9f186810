"""MCP over Streamable HTTP, for both protocol eras, as an ASGI application."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import (
    DEFAULT_MAX_REQUEST_BODY_SIZE,
    TransportSecuritySettings,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.tokens import Tokens
from mcp_server.authentication import Asking
from mcp_server.server import create_server

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
VERSION_HEADER = b"mcp-protocol-version"
MODERN = frozenset(each.encode() for each in MODERN_PROTOCOL_VERSIONS)
# In the body of a call that may take long.
WAITS = b'"wait_s"'

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


def allowed_hosts(host: str, public_url: str | None) -> list[str]:
    """What a request's Host may be: no web page reaches a local server by a name of its own."""
    names = {*LOOPBACK, host}
    if public_url:
        names.add(urlsplit(public_url).hostname or "")
    return sorted(each for name in names if name for each in (name, f"{name}:*"))


@asynccontextmanager
async def serving(dispatcher: Dispatcher, tokens: Tokens, hosts: list[str]) -> AsyncIterator[Any]:
    """The ASGI application, between its start and its end."""
    server = create_server(dispatcher, partial(_actor, tokens))
    streamed = _manager(server, hosts, json_response=False)
    at_once = _manager(server, hosts, json_response=True)

    async def handle(scope: Message, receive: Receive, send: Send) -> None:
        """In one piece where the older protocol would make a stream of a single answer.

        That halves what a call costs. One that may wait is a stream all the same, which says now
        and then that it is alive; of the newer protocol the library makes one when it takes long.
        """
        manager = streamed
        if scope["method"] == "POST" and _version(scope) not in MODERN:
            body, receive = await _peeked(receive)
            manager = streamed if WAITS in body else at_once
        await manager.asgi_app(scope, receive, send)

    async with streamed.run(), at_once.run():
        yield handle


def _manager(
    server: Server, hosts: list[str], *, json_response: bool
) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        app=server,
        json_response=json_response,
        # Older clients too: any process may answer any of their requests.
        stateless=True,
        security_settings=TransportSecuritySettings(
            allowed_hosts=hosts,
            allowed_origins=[
                f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")
            ],
        ),
    )


def _version(scope: Message) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == VERSION_HEADER), None)


async def _peeked(receive: Receive) -> tuple[bytes, Receive]:
    """The body, if it is no longer than may be, and what receives it once more."""
    messages, size = [await receive()], 0
    while messages[-1].get("more_body") and size <= DEFAULT_MAX_REQUEST_BODY_SIZE:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
    left = iter(messages)

    async def again() -> Message:
        found = next(left, None)
        return await receive() if found is None else found

    return b"".join(each.get("body", b"") for each in messages), again


async def _actor(tokens: Tokens, context: Asking) -> Actor:
    """Of the token that the request came with: it may have been revoked since."""
    assert context.request is not None
    _, _, token = context.request.headers["authorization"].partition(" ")
    return await tokens.authenticate(token.strip())
