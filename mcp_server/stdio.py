"""`hubbub mcp`: MCP over stdio for one agent.

With the address of a server it only forwards; then the agent's machine needs no database.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import Server
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.github.proxies import proxy_for
from bot.identity.tokens import Tokens
from bot.operations import OPERATIONS
from mcp_server import stdio_transport
from mcp_server.authentication import Asking
from mcp_server.server import INSTRUCTIONS, NAME, VERSION, create_server, result
from mcp_server.subscriptions import acknowledge, end_message, notify
from mcp_server.tool_answers import KEY_META, refusal

# Longer than the longest wait_s.
TIMEOUT_S = 70
# Before a call is repeated whose answer was lost.
REPEAT_AFTER_S = 0.5


async def serve_agent(dispatcher: Dispatcher, tokens: Tokens, token: str) -> None:
    """Serve on the database as one agent. Raise Refused if the token is unknown."""
    await tokens.authenticate(token)
    server = create_server(dispatcher, lambda _: tokens.authenticate(token))
    # At the end of the input, calls that wait are answered with what there is.
    await _run(server, at_end=dispatcher.waiters.stop)


async def bridge(url: str, token: str) -> None:
    """Forward to the server at `url`. Each call makes its own connection."""
    headers = {"Authorization": f"Bearer {token}"}
    # The library would ask a proxy also for a server on this machine.
    mounts = {} if proxy_for(url) else dict.fromkeys(("http://", "https://"))
    async with httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S, mounts=mounts) as http:
        forwarding = Forwarding(url, http)
        await _run(forwarding.server(), at_end=forwarding.input_ended.set)


async def _run(server: Server, at_end: Callable[[], None]) -> None:
    async with stdio_transport.open_streams(at_end) as (read, write):
        await server.run(read, write, server.create_initialization_options())


@dataclass(frozen=True)
class Forwarding:
    """Forwards each request unchanged to the server at `url`."""

    url: str
    http: httpx2.AsyncClient
    # From then on no call waits: its answer is what there is.
    input_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def server(self) -> Server:
        return Server(
            NAME,
            version=VERSION,
            instructions=INSTRUCTIONS,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_templates,
            on_read_resource=self.read_resource,
            on_list_prompts=self.list_prompts,
            on_get_prompt=self.get_prompt,
            on_subscriptions_listen=self.listen,
        )

    async def list_tools(
        self, _: Asking, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        async with self._client() as client:
            return await client.list_tools(cursor=params.cursor if params else None)

    async def call_tool(
        self, _: Asking, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        meta = _forwarded_meta(params)
        try:
            return await self._call_tool(params, meta)
        except Refused as exc:
            if meta is None or not _is_answer_lost(exc):
                return result(refusal(exc))
        # Maybe the server did it. The call with the same key is the same call.
        await asyncio.sleep(REPEAT_AFTER_S)
        try:
            return await self._call_tool(params, meta)
        except Refused as exc:
            return result(refusal(exc))

    async def _call_tool(
        self, params: types.CallToolRequestParams, meta: types.RequestParamsMeta | None
    ) -> types.CallToolResult:
        arguments = params.arguments or {}
        if not arguments.get("wait_s"):
            return await self._send(params.name, arguments, meta)
        call = asyncio.create_task(self._send(params.name, arguments, meta))
        end = asyncio.create_task(self.input_ended.wait())
        try:
            await asyncio.wait({call, end}, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
        finally:
            call.cancel()
            end.cancel()
            await asyncio.gather(call, end, return_exceptions=True)
        return await self._send(params.name, {**arguments, "wait_s": 0}, meta)

    async def _send(
        self, name: str, arguments: dict[str, Any], meta: types.RequestParamsMeta | None
    ) -> types.CallToolResult:
        async with _connection(self.url, self.http) as client:
            return await client.call_tool(name, arguments, meta=meta)

    async def list_resources(
        self, _: Asking, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        async with self._client() as client:
            return await client.list_resources(cursor=params.cursor if params else None)

    async def list_templates(
        self, _: Asking, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        async with self._client() as client:
            return await client.list_resource_templates(cursor=params.cursor if params else None)

    async def read_resource(
        self, _: Asking, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        async with self._client() as client:
            return await client.read_resource(params.uri)

    async def list_prompts(
        self, _: Asking, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        async with self._client() as client:
            return await client.list_prompts(cursor=params.cursor if params else None)

    async def get_prompt(
        self, _: Asking, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        async with self._client() as client:
            return await client.get_prompt(params.name, params.arguments)

    async def listen(
        self, context: Asking, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Ends when the stream of the server ends. The client then listens again."""
        wanted = params.notifications
        async with (
            self._client() as client,
            client.listen(
                tools_list_changed=bool(wanted.tools_list_changed),
                resources_list_changed=bool(wanted.resources_list_changed),
                resource_subscriptions=wanted.resource_subscriptions or (),
            ) as updates,
        ):
            await acknowledge(context, updates.honored)
            async for each in updates:
                if isinstance(each, ResourceUpdated):
                    await notify(context, each.uri)
        return end_message(context)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        """A client for requests whose answer cannot hold a refusal. Raise MCPError."""
        try:
            async with _connection(self.url, self.http) as client:
                yield client
        except Refused as exc:
            raise MCPError(types.INTERNAL_ERROR, exc.message, exc.body()) from exc


def _forwarded_meta(params: types.CallToolRequestParams) -> types.RequestParamsMeta | None:
    """The idempotency key. What else is in `_meta` belongs to the protocol of one connection.

    A call that changes something gets a key here if it has none, so that it can be repeated.
    """
    key = (params.meta or {}).get(KEY_META)
    operation = OPERATIONS.get(params.name)
    if key is None and (operation is None or not (operation.reads_only or operation.quiet)):
        key = secrets.token_hex(16)
    return None if key is None else cast("types.RequestParamsMeta", {KEY_META: key})


def _is_answer_lost(refused: Refused) -> bool:
    """Whether the connection broke after the request was sent."""
    cause = refused.__cause__ and _first(refused.__cause__)
    return isinstance(cause, httpx2.NetworkError | httpx2.RemoteProtocolError) and not isinstance(
        cause, httpx2.ConnectError
    )


@asynccontextmanager
async def _connection(url: str, http: httpx2.AsyncClient) -> AsyncIterator[Client]:
    """A connection for one call. Raise Refused if the server or the token is the problem."""
    try:
        async with Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client:
            yield client
    except (MCPError, httpx2.HTTPError, OSError, ExceptionGroup) as exc:
        raise await _error(url, http, _first(exc)) from exc


async def _error(url: str, http: httpx2.AsyncClient, failed: BaseException) -> BaseException:
    if isinstance(failed, httpx2.HTTPError | OSError):
        return Refused(
            "unavailable",
            f"Hubbub at {url} does not answer ({failed}). Check HUBBUB_URL, or try again later.",
        )
    if isinstance(failed, MCPError) and await _is_unauthenticated(url, http):
        return Refused(
            "unauthenticated",
            f"Hubbub at {url} does not know the token in HUBBUB_TOKEN, or it was revoked. "
            "`hubbub token create` creates another.",
        )
    return failed


async def _is_unauthenticated(url: str, http: httpx2.AsyncClient) -> bool:
    """Ask by REST, because the client library hides the status of a refused connection."""
    try:
        return (await http.get(f"{url}/api/v1/")).status_code == 401
    except httpx2.HTTPError:
        return False


def _first(found: BaseException) -> BaseException:
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
