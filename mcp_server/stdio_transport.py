"""Messages over standard input and output, on which no request stays without an answer.

The library drops lines that it cannot read, and cancels what runs when the input ends.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from mcp_server import channel, messages

# Runs as long as the client listens, so the end of the input does not wait for it.
ENDLESS = frozenset({"subscriptions/listen"})


@dataclass(eq=False)
class Output:
    """The library's stream of answers. It knows which requests have no answer yet."""

    stream: Any = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    as_channel: bool = False
    # As a channel: the client is ready for pushes.
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    _declaring: set[str] = field(default_factory=set)
    _pending: set[str] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self, stream: Any) -> None:
        self.stream = stream
        self.opened.set()

    def expect(self, message: Any) -> None:
        """Note that a request will be answered, or that it was cancelled and will not be."""
        if isinstance(message, JSONRPCRequest) and message.method not in ENDLESS:
            self._pending.add(str(message.id))
            if self.as_channel and message.method in channel.DECLARING:
                self._declaring.add(str(message.id))
        elif isinstance(message, JSONRPCNotification):
            cancelled = messages.cancelled_request(message.model_dump())
            self._forget(cancelled)
        if self.as_channel and channel.is_begin(message.model_dump(by_alias=True)):
            self.begun.set()

    async def send(self, item: SessionMessage) -> None:
        await self.stream.send(self._as_channel(item))
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self._forget(item.message.id)

    def _as_channel(self, item: SessionMessage) -> SessionMessage:
        """The answer to `initialize` says that this is a channel."""
        answer = item.message
        if not isinstance(answer, JSONRPCResponse) or str(answer.id) not in self._declaring:
            return item
        self._declaring.discard(str(answer.id))
        result = channel.with_capability({"result": answer.result})["result"]
        return SessionMessage(answer.model_copy(update={"result": result}), metadata=item.metadata)

    def _forget(self, request_id: Any) -> None:
        if request_id is not None:
            self._pending.discard(str(request_id))
            self._changed.set()

    async def until_answered(self) -> None:
        while self._pending:
            self._changed.clear()
            await self._changed.wait()

    async def aclose(self) -> None:
        await self.stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


@dataclass(eq=False)
class Lines:
    """The lines that the library can read. The others are answered here."""

    source: BinaryIO
    output: Output
    # Called at the end of the input, so that no call waits for something that may not come.
    at_end: Callable[[], None]

    async def __aiter__(self) -> AsyncIterator[str]:
        await self.output.opened.wait()
        async for raw in anyio.wrap_file(self.source):
            line = raw.decode("utf-8", errors="surrogateescape").lstrip("\ufeff")
            found = messages.read_line(line)
            if isinstance(found, list):
                for each in found:
                    await self.output.send(SessionMessage(each))
                continue
            self.output.expect(found)
            decoded = messages.decode_arguments(found.model_dump())
            yield line if decoded is None else json.dumps(decoded)
        self.at_end()
        await self.output.until_answered()


@asynccontextmanager
async def open_streams(
    at_end: Callable[[], None], *, as_channel: bool = False
) -> AsyncIterator[tuple[Any, Output]]:
    """The streams for `Server.run`."""
    output = Output(as_channel=as_channel)
    lines = Lines(sys.stdin.buffer, output, at_end)
    async with stdio_server(stdin=cast("anyio.AsyncFile[str]", lines)) as (read, write):
        output.open(write)
        yield read, output
