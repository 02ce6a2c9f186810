"""MCP over Streamable HTTP, for both protocol eras: the fast path, and an ASGI application."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import (
    DEFAULT_MAX_REQUEST_BODY_SIZE,
    TransportSecuritySettings,
)
from mcp_types import JSONRPCError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from bot.dispatch.callers import Caller
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.tokens import Tokens
from mcp_server.authentication import Asking, token_of
from mcp_server.fast_path import FastPath
from mcp_server.messages import (
    cancelled_request,
    decode_arguments,
    has_unusable_id,
    id_of,
    unusable_id_error,
)
from mcp_server.plain_calls import AS_JSON, AS_STREAM, Allowed, Headers, media_types
from mcp_server.running_calls import RunningCalls
from mcp_server.server import create_server

WITHOUT_CASE = frozenset({b"host", b"origin", b"content-type"})
ACCEPT = b"accept"
BOTH = b"application/json, text/event-stream"
VERSION_HEADER = b"mcp-protocol-version"
MODERN = frozenset(each.encode() for each in MODERN_PROTOCOL_VERSIONS)
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Handle: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
FastAnswer: TypeAlias = Callable[[Headers, bytes, Actor, Caller], Awaitable[bytes | None]]


def allowed_hosts(names: Collection[str]) -> list[str]:
    """The allowed values of the header Host: these names, with any port or none."""
    return sorted(each for name in names for each in (name, f"{name}:*"))


@dataclass(frozen=True)
class Endpoint:
    """What answers at /mcp. `answer` takes plain calls, and `handle` takes every request."""

    answer: FastAnswer
    handle: Handle


async def _no_fast_path(*_: Any) -> None:
    """Leave every request to the library."""


@asynccontextmanager
async def serving(
    dispatcher: Dispatcher, tokens: Tokens, hosts: list[str], *, has_fast_path: bool = True
) -> AsyncIterator[Endpoint]:
    """Start the handlers of /mcp, and stop them at the end.

    Without the fast path the library answers everything.
    """
    running = RunningCalls()
    server = create_server(dispatcher, partial(_actor, tokens))
    origins = [f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")]
    security = TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)
    streamed = _manager(server, security, json_response=False)
    at_once = _manager(server, security, json_response=True)
    fast_path = FastPath(
        dispatcher, running, Allowed.of(hosts), Allowed.of(origins), server.server_info_stamp
    )

    async def handle(scope: Message, receive: Receive, send: Send) -> None:
        """Answer in one piece where the older protocol would stream a single answer.

        That halves the cost of a call. A call that may wait is streamed, because a stream shows
        the client that the server is alive. In the newer protocol the library decides itself.
        """
        token = _token(scope)
        body, receive = await _read_body(receive)
        message = _message(body)
        if (decoded := decode_arguments(message)) is not None:
            message, receive = decoded, _replay(json.dumps(decoded).encode(), receive)
        if (cancelled := cancelled_request(message)) is not None:
            running.cancel(token, cancelled)
        if _version(scope) not in MODERN and has_unusable_id(message):
            await _refuse(send, unusable_id_error())
            return
        manager = streamed if _is_streamed(scope, message) else at_once
        with running.accept(token, id_of(message)) as call:
            state = {**scope["state"], "call": call}
            await manager.asgi_app({**_for_library(scope), "state": state}, receive, send)

    async with streamed.run(), at_once.run():
        yield Endpoint(fast_path.answer if has_fast_path else _no_fast_path, handle)


def _manager(
    server: Server, security: TransportSecuritySettings, *, json_response: bool
) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        app=server,
        json_response=json_response,
        # Also for older clients, so that any process can answer any request.
        stateless=True,
        security_settings=security,
    )


def _version(scope: Message) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == VERSION_HEADER), None)


def _for_library(scope: Message) -> Message:
    """The scope in the form that the library compares.

    Where case has no meaning, it has small letters. A client that accepts one form of answer seems
    to accept both: it gets the one that it accepts, and the library would refuse it.
    """
    headers = [
        (name, value.lower() if name in WITHOUT_CASE else value) for name, value in scope["headers"]
    ]
    if _answer_types(scope) & (AS_JSON | AS_STREAM):
        headers = [(ACCEPT, BOTH), *(each for each in headers if each[0] != ACCEPT)]
    return {**scope, "headers": headers}


def _answer_types(scope: Message) -> frozenset[str]:
    given = b",".join(value for name, value in scope["headers"] if name == ACCEPT)
    return media_types(given.decode("latin-1"))


def _is_streamed(scope: Message, message: Any) -> bool:
    types = _answer_types(scope)
    if not (types & AS_JSON and types & AS_STREAM):
        return bool(types & AS_STREAM)
    return _version(scope) in MODERN or _may_wait(message)


def _token(scope: Message) -> str:
    found = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    return token_of(found.decode("latin-1"))


def _message(body: bytes) -> Any:
    """The message of a request; None if it is not JSON, which the library refuses."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


async def _refuse(send: Send, error: JSONRPCError) -> None:
    body = error.model_dump_json(by_alias=True, exclude_unset=True).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _may_wait(message: Any) -> bool:
    """Whether a JSON-RPC message calls a tool with `wait_s`."""
    match message:
        case {"method": "tools/call", "params": {"arguments": {"wait_s": _}}}:
            return True
    return False


async def _read_body(receive: Receive) -> tuple[bytes, Receive]:
    """The body, cut off after the allowed size, and a function that receives it again."""
    messages, size = [await receive()], 0
    while messages[-1].get("more_body") and size <= DEFAULT_MAX_REQUEST_BODY_SIZE:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
    left = iter(messages)

    async def again() -> Message:
        found = next(left, None)
        return await receive() if found is None else found

    return b"".join(each.get("body", b"") for each in messages), again


def _replay(body: bytes, receive: Receive) -> Receive:
    """A function that receives this body, and then what the client does."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


async def _actor(tokens: Tokens, context: Asking) -> Actor:
    """The agent of the request's token, which may have been revoked during the request."""
    assert context.request is not None
    return await tokens.authenticate(token_of(context.request.headers["authorization"]))
