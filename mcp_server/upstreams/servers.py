"""Connections to MCP servers, which calls share: opened at first use, closed when idle, bounded."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import mcp_types as types
from mcp import Client, MCPError
from mcp.shared.dispatcher import ProgressFnT
from pydantic import TypeAdapter, ValidationError

from bot.tool_servers.connections import (
    Json,
    Progress,
    ServerSpec,
    ToolResult,
    ToolSpec,
    Unavailable,
)
from mcp_server.upstreams.connecting import Opener
from mcp_server.upstreams.exchange import CURRENT, Exchange
from mcp_server.upstreams.results import error_answer, failure_of, result_of, tool_of
from mcp_server.upstreams.upstream import Upstream

T = TypeVar("T")
# Connections of one process. Beyond, the one that was used longest ago is closed.
MOST = 200
LOOK_EVERY_S = 30.0
# Pages of a list, and tools in all: one more than may be offered, so that the excess is noticed.
MOST_PAGES, MOST_TOOLS = 100, 1001
LIST_S = 30.0
# After a connection failed, the next one waits: from, and at most.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
RESULT: TypeAdapter[types.CallToolResult] = TypeAdapter(types.CallToolResult)
Key = tuple[int, str, int]
Changed = Callable[[int, str], None]


@dataclass(frozen=True)
class Failed:
    """`until`: before this time calls are refused without trying."""

    times: int
    until: float
    why: Unavailable


class McpServers:
    """`changed`: is called when a server says that its list of tools changed."""

    def __init__(self, opener: Opener, changed: Changed, most: int = MOST) -> None:
        self._opener = opener
        self._changed = changed
        self._most = most
        self._open: dict[Key, Upstream] = {}
        self._failed: dict[Key, Failed] = {}

    async def list_tools(self, spec: ServerSpec) -> list[ToolSpec]:
        """Each page. Also where calls wait because a connection failed."""
        self._failed.pop(spec.key, None)
        async with self._limit(LIST_S, Exchange()) as exchange:
            return await self._do(spec, exchange, _list_all)

    async def call_tool(
        self,
        spec: ServerSpec,
        tool: str,
        arguments: Json,
        timeout_s: float,
        max_bytes: int,
        progress: Progress | None = None,
    ) -> ToolResult:
        self._check_pause(spec)

        async def call(client: Client) -> ToolResult:
            params = types.CallToolRequestParams(name=tool, arguments=dict(arguments))
            request = types.CallToolRequest(params=params)
            try:
                found = await client.session.send_request(
                    request, RESULT, progress_callback=_relay(progress)
                )
            except MCPError as exc:
                if (answer := error_answer(exc, exchange)) is None:
                    raise
                return answer
            return result_of(found, max_bytes)

        # JSON has more characters than its texts, and the protocol adds some.
        exchange = Exchange(max_bytes * 2 + 65_536)
        async with self._limit(timeout_s, exchange):
            return await self._do(spec, exchange, call)

    @asynccontextmanager
    async def _limit(self, timeout_s: float, exchange: Exchange) -> AsyncIterator[Exchange]:
        exchange.until = asyncio.get_running_loop().time() + timeout_s
        token = CURRENT.set(exchange)
        try:
            async with asyncio.timeout(timeout_s):
                yield exchange
        except TimeoutError as exc:
            text = f"The server did not answer within {timeout_s:g} s."
            raise Unavailable("timeout", text, sent=exchange.sent) from exc
        finally:
            CURRENT.reset(token)

    async def _do(
        self, spec: ServerSpec, exchange: Exchange, work: Callable[[Client], Awaitable[T]]
    ) -> T:
        """Do it over an open connection; once more if the server forgot the session before it."""
        for is_last in (False, True):
            upstream = await self._connection(spec)
            upstream.calls += 1
            try:
                client = await upstream.client()
                exchange.sent |= spec.kind == "stdio"
                return await work(client)
            except (MCPError, ValidationError, ValueError, RuntimeError) as exc:
                failure = failure_of(exc, exchange)
                forgotten, exchange.forgotten = exchange.forgotten, False
                if forgotten or failure.kind in ("unreachable", "unauthorized"):
                    await self._close(upstream)
                if not forgotten or is_last:
                    raise failure from exc
                exchange.failure, exchange.sent = None, False
            finally:
                upstream.calls -= 1
                upstream.used_at = time.monotonic()
        raise AssertionError("the last attempt returns or raises")

    async def _connection(self, spec: ServerSpec) -> Upstream:
        """A connection that is open, or being opened."""
        upstream = self._open.get(spec.key)
        if upstream is None or upstream.is_over:
            await self._make_room(spec)
            upstream = self._open.get(spec.key)
            if upstream is None or upstream.is_over:
                upstream = Upstream(spec, self._opener.connect, lambda: self._hear(spec))
                self._open[spec.key] = upstream
        try:
            await upstream.client()
        except Unavailable as exc:
            self._note_failure(spec, upstream, exc)
            raise
        self._failed.pop(spec.key, None)
        return upstream

    def _note_failure(self, spec: ServerSpec, upstream: Upstream, exc: Unavailable) -> None:
        """The first of those who waited for the connection counts it."""
        if self._open.get(spec.key) is not upstream:
            return
        del self._open[spec.key]
        times = self._failed[spec.key].times + 1 if spec.key in self._failed else 1
        pause = min(FIRST_PAUSE_S * 2 ** (times - 1), LONGEST_PAUSE_S)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 - not for secrets
        self._failed[spec.key] = Failed(times, time.monotonic() + pause, exc)

    def _check_pause(self, spec: ServerSpec) -> None:
        """Raise Unavailable if the last connection failed a moment ago."""
        failed = self._failed.get(spec.key)
        if failed and (left := failed.until - time.monotonic()) > 0:
            raise Unavailable(
                failed.why.kind,
                f"{failed.why.text} Hubbub tries again in {max(left, 0.1):.1f} s.",
                retry_after_s=left,
            )

    def _hear(self, spec: ServerSpec) -> None:
        self._changed(spec.installation_id, spec.server_id)

    async def _make_room(self, spec: ServerSpec) -> None:
        """Close those of older versions of this server, and the one used longest ago if need be."""
        for key, each in list(self._open.items()):
            if key[:2] == spec.key[:2] and key != spec.key:
                await self._close(each)
        if len(self._open) >= self._most:
            idle = [each for each in self._open.values() if not each.calls]
            if not idle:
                raise Unavailable(
                    "rate_limited",
                    f"This process has {self._most} servers in use, and opens no more. Try again.",
                    retry_after_s=5,
                )
            await self._close(min(idle, key=lambda each: each.used_at))

    async def _close(self, upstream: Upstream) -> None:
        if self._open.get(upstream.spec.key) is upstream:
            del self._open[upstream.spec.key]
        await upstream.close()

    def connections(self) -> Collection[Key]:
        """The connections that are open."""
        return tuple(self._open)

    async def drop(self, installation_id: int, server_id: str) -> None:
        for key in [each for each in self._failed if each[:2] == (installation_id, server_id)]:
            del self._failed[key]
        self._opener.tokens.forget(installation_id, server_id)
        for key, each in list(self._open.items()):
            if key[:2] == (installation_id, server_id):
                await self._close(each)

    async def close_idle(self) -> None:
        """Until it is cancelled, close those that nobody uses."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            for each in list(self._open.values()):
                if each.is_idle(now) or each.is_over:
                    await self._close(each)
            self._failed = {k: v for k, v in self._failed.items() if now - v.until < 600}

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self._open.values()))
        self._open.clear()


async def _list_all(client: Client) -> list[ToolSpec]:
    """Each page. Some servers repeat the last one for ever, or refuse the cursor that they gave."""
    found, cursor, seen = list[ToolSpec](), None, set[str]()
    for _ in range(MOST_PAGES):
        try:
            page = await client.list_tools(cursor=cursor)
        except MCPError:
            if cursor == "":
                break
            raise
        known = {each.name for each in found}
        fresh = [tool_of(each) for each in page.tools if each.name not in known]
        found += fresh
        cursor = page.next_cursor
        if cursor is None or cursor in seen or not fresh or len(found) >= MOST_TOOLS:
            break
        seen.add(cursor)
    return found[:MOST_TOOLS]


def _relay(listener: Progress | None) -> ProgressFnT | None:
    """As the library calls it."""
    if listener is None:
        return None

    async def relay(
        progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        await listener(progress, total, message)

    return relay
