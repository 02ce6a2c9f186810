"""OpenAPI services as tool servers: a client that works by the document, without generated code."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from cachetools import LRUCache
from pydantic import ValidationError

from bot.tool_servers.access_tokens import AccessTokens
from bot.tool_servers.connections import (
    Json,
    Progress,
    ServerSpec,
    ToolResult,
    ToolSpec,
    Unavailable,
)
from bot.tool_servers.network import Network
from bot.tool_servers.openapi import pages
from bot.tool_servers.openapi.answer_cache import AnswerCache
from bot.tool_servers.openapi.answer_reading import TooLarge
from bot.tool_servers.openapi.exchange import Exchange
from bot.tool_servers.openapi.manifest import PAGES, Manifest, Tool
from bot.tool_servers.openapi.options import Options
from bot.tool_servers.openapi.pace import Pace
from bot.tool_servers.openapi.requests import request_of
from bot.tool_servers.openapi.results import Bounds, error_result, result_of, unread_result
from bot.tool_servers.openapi.styles import WrongArgument

# Services that this process keeps connections to.
MOST_SERVICES = 500
# For a look whether a service answers.
LOOK_S = 10.0
# Reads the stored document of a service: installation, server and version.
ReadDocument: TypeAlias = Callable[[int, str, int], Awaitable[Json | None]]


@dataclass(frozen=True)
class Connected:
    """A service with its tools by name."""

    manifest: Manifest
    tools: Mapping[str, Tool]
    options: Options
    exchange: Exchange

    @classmethod
    def of(cls, manifest: Manifest, options: Options, exchange: Exchange) -> "Connected":
        return cls(manifest, {each.name: each for each in manifest.tools}, options, exchange)


class OpenApiServers:
    """Implements `ToolServers`. `now` and `sleep` are for tests.

    `read_document`: is asked when a connection is opened for a call that brings no document.
    """

    def __init__(
        self,
        network: Network,
        read_document: ReadDocument | None = None,
        tokens: AccessTokens | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._network = network
        self._read_document = read_document
        self._tokens = tokens or AccessTokens(network, now)
        self._now = now
        self._sleep = sleep
        self._cache = AnswerCache(now)
        self._connected: LRUCache[tuple[int, str, int], Connected] = LRUCache(MOST_SERVICES)

    async def list_tools(self, spec: ServerSpec) -> list[ToolSpec]:
        """The tools of the stored document, if the service answers. It has no list of its own."""
        # Not shared with calls: nobody has accepted yet what a document says that was read again.
        connected = self._connection(await self._with_document(spec))
        try:
            async with asyncio.timeout(LOOK_S):
                await connected.exchange.look()
        except TimeoutError as exc:
            raise Unavailable("timeout", f"It did not answer within {LOOK_S:g} s.") from exc
        except Unavailable as exc:
            if exc.kind != "too_large":
                raise
        finally:
            await connected.exchange.session.close()
        return [each.spec() for each in connected.manifest.tools]

    async def call_tool(
        self,
        spec: ServerSpec,
        tool: str,
        arguments: Json,
        timeout_s: float,
        max_bytes: int,
        progress: Progress | None = None,  # noqa: ARG002 - HTTP says nothing of it
    ) -> ToolResult:
        """Call it once. A wrong argument is an error of the tool, and nothing is sent."""
        connected = await self._connect(spec)
        known = connected.tools.get(tool)
        if known is None:
            raise Unavailable("refused", f"The document of the service has no tool {tool[:100]!r}.")
        try:
            request = request_of(connected.manifest, known, arguments)
        except WrongArgument as exc:
            return error_result(f"{exc}. Nothing was sent.")
        bounds = Bounds(max_bytes, _secrets(spec))
        wanted = arguments.get(PAGES, 1)
        paging = connected.options.paging
        try:
            async with asyncio.timeout(timeout_s):
                if paging and PAGES in known.input_schema["properties"]:
                    send = connected.exchange.send
                    return await pages.collect(request, paging, wanted, bounds, send)
                return result_of(await connected.exchange.send(request), bounds)
        except TooLarge as exc:
            if request.method == "GET":
                raise
            # It did what was asked for: only what it says of that is lost.
            return unread_result(exc.status, exc.most)
        except TimeoutError as exc:
            text = f"It did not answer within {timeout_s:g} s."
            raise Unavailable("timeout", text, sent=True) from exc

    def connections(self) -> Collection[tuple[int, str, int]]:
        """The connections that are open."""
        return tuple(self._connected)

    async def drop(self, installation_id: int, server_id: str) -> None:
        """Close the connections, and forget tokens and answers."""
        here = installation_id, server_id
        self._tokens.forget(*here)
        self._cache.forget(lambda key: isinstance(key, tuple) and key[0][:2] == here)
        for key in [each for each in self._connected if each[:2] == here]:
            await self._connected.pop(key).exchange.session.close()

    async def close(self) -> None:
        while self._connected:
            _, oldest = self._connected.popitem()
            await oldest.exchange.session.close()

    async def _connect(self, spec: ServerSpec) -> Connected:
        found = self._connected.get(spec.key)
        if found is not None and spec.document is None:
            return found
        spec = await self._with_document(spec)
        found = self._connected.get(spec.key)
        if found is not None and found.manifest.digest == (spec.document or {}).get("digest"):
            return found
        if (
            found is not None
            and found.manifest.base_url == (manifest := manifest_in(spec)).base_url
        ):
            # Its document was read again. Calls under way go on.
            exchange = replace(found.exchange, spec=spec)
            self._connected[spec.key] = Connected.of(manifest, options_in(spec), exchange)
            return self._connected[spec.key]
        made = self._connection(spec)
        for key in [each for each in self._connected if each[:2] == spec.key[:2]]:
            # An older version, which another process changed.
            await self._connected.pop(key).exchange.session.close()
        if len(self._connected) >= MOST_SERVICES:
            _, oldest = self._connected.popitem()
            await oldest.exchange.session.close()
        self._connected[spec.key] = made
        return made

    async def _with_document(self, spec: ServerSpec) -> ServerSpec:
        if spec.document is not None or self._read_document is None:
            return spec
        return replace(spec, document=await self._read_document(*spec.key))

    def _connection(self, spec: ServerSpec) -> Connected:
        manifest, options = manifest_in(spec), options_in(spec)
        exchange = Exchange(
            spec=spec,
            base_url=manifest.base_url,
            session=self._network.open_session(manifest.base_url, {}),
            tokens=self._tokens,
            pace=Pace(options.requests_a_minute, self._now),
            cache=self._cache,
            cache_s=options.cache_s,
            sleep=self._sleep,
        )
        return Connected.of(manifest, options, exchange)


def manifest_in(spec: ServerSpec) -> Manifest:
    """The stored document. Raise Unavailable if there is none."""
    try:
        return Manifest.model_validate(spec.document)
    except ValidationError as exc:
        text = "Its stored document cannot be read. Refresh it."
        raise Unavailable("protocol", text) from exc


def options_in(spec: ServerSpec) -> Options:
    try:
        return Options.model_validate(spec.options)
    except ValidationError as exc:
        raise Unavailable("protocol", "Its stored options cannot be read. Set them.") from exc


def _secrets(spec: ServerSpec) -> tuple[str, ...]:
    """The parts of the credential, longest first."""
    given = [*spec.headers.values(), *spec.query.values()]
    if spec.oauth:
        given.append(spec.oauth.client_secret)
    words: set[Any] = {word for each in given for word in (each, *each.split(" ", 1))}
    return tuple(sorted(words, key=len, reverse=True))
