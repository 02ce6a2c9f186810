"""`hubbub mcp` at a server: forwards each message from standard input, and writes the answers.

So the agent's machine needs no database, and the command starts fast.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bot.errors import Refused, refusal_in
from bot.github.proxies import proxy_for
from mcp_server import channel, pipes
from mcp_server.forwarded_messages import (
    Events,
    Message,
    has_key,
    headers,
    is_answer,
    is_call,
    may_wait,
    readable,
    refusal,
    with_key,
    without_wait,
)
from mcp_server.push_feed import PushFeed

# The server may be silent for so many seconds: longer than the longest wait_s.
LIMITS = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=70)
ENDLESS_LIMITS = aiohttp.ClientTimeout(total=None, sock_connect=30)
# Before a request is repeated whose answer was lost, or that found no server.
REPEAT_AFTER_S = 0.5
# How long the first request waits for a server that is being started again.
START_S = 20.0
# Runs as long as the client listens, so the end of the input ends it.
ENDLESS = "subscriptions/listen"
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
Write = Callable[[Message], None]


class AnswerLost(Exception):
    """The connection broke after the request was sent. The server may have carried it out."""


async def run(url: str, token: str, *, as_channel: bool = False) -> None:
    """Forward until the input ends and everything asked is answered.

    `as_channel`: also write what the server pushes for the agent.
    """
    await forward(url, token, pipes.lines(), pipes.write, as_channel=as_channel)


async def forward(
    url: str, token: str, lines: AsyncIterator[str], write: Write, *, as_channel: bool = False
) -> None:
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}", **ACCEPT},
        connector=aiohttp.TCPConnector(limit=0),
        proxy=proxy_for(url),
    ) as http:
        await Bridge(url, http, write, as_channel=as_channel).serve(lines)


@dataclass
class Bridge:
    url: str
    http: aiohttp.ClientSession
    write: Write
    as_channel: bool = False
    # What `initialize` agreed on, in the older protocol.
    version: str | None = None
    _input_ended: asyncio.Event = field(default_factory=asyncio.Event)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _endless: set[asyncio.Task[None]] = field(default_factory=set)
    _pushing: asyncio.Task[None] | None = None

    async def serve(self, lines: AsyncIterator[str]) -> None:
        tasks: set[asyncio.Task[None]] = set()
        async for line in lines:
            message = self._message(line)
            if message is None:
                continue
            task = asyncio.create_task(self._answer(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            self._running[str(message["id"])] = task
            if message["method"] == ENDLESS:
                self._endless.add(task)
                task.add_done_callback(self._endless.discard)
            if message["method"] == "initialize":
                await asyncio.wait([task])
        self._input_ended.set()
        if self._pushing is not None:
            tasks.add(self._pushing)
            self._endless.add(self._pushing)
        for each in tuple(self._endless):
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _message(self, line: str) -> Message | None:
        """The request in a line, if an answer of the server is needed."""
        message = readable(line)
        if message is None:
            from mcp_server import messages  # noqa: PLC0415 - loads the MCP library

            found = messages.read_line(line)
            if isinstance(found, list):
                for each in found:
                    self.write(each.model_dump(by_alias=True, exclude_unset=True))
                return None
            message = found.model_dump(by_alias=True, exclude_unset=True)
        if self.as_channel and self._pushing is None and channel.is_begin(message):
            self._pushing = asyncio.create_task(self._push())
        match message:
            case {"method": "notifications/cancelled", "params": {"requestId": request_id}}:
                if task := self._running.pop(str(request_id), None):
                    task.cancel()
        return message if "id" in message and "method" in message else None

    async def _push(self) -> None:
        """Write the agent's pushes until the input ends."""
        async with aclosing(PushFeed(self.url, self.http).pushes()) as found:
            async for each in found:
                self.write(channel.notification(each))

    async def _answer(self, request: Message) -> None:
        try:
            await self._forward(with_key(request) if is_call(request) else request)
        except Refused as exc:
            self.write(refusal(request, exc))
        finally:
            task = asyncio.current_task()
            if self._running.get(str(request["id"])) is task:
                del self._running[str(request["id"])]

    async def _forward(self, request: Message) -> None:
        """Raise Refused."""
        try:
            if request["method"] == "initialize":
                await self._initialize(request)
            elif is_call(request) and has_key(request):
                await self._call(request)
            else:
                await self._send_or_wait(request)
        except AnswerLost as exc:
            raise self._away("the connection broke") from exc

    async def _call(self, request: Message) -> None:
        """Repeat it once if its answer is lost. The call with the same key is the same call."""
        try:
            await self._send_or_wait(request)
        except AnswerLost:
            await asyncio.sleep(REPEAT_AFTER_S)
            await self._send_or_wait(request)

    async def _initialize(self, request: Message) -> None:
        """Wait for a server that is being started again: clients ask only once."""
        until = asyncio.get_running_loop().time() + START_S
        while True:
            try:
                await self._send(request)
            except Refused as exc:
                is_away = isinstance(exc.__cause__, aiohttp.ClientConnectorError)
                if not is_away or asyncio.get_running_loop().time() > until:
                    raise
            else:
                return
            await asyncio.sleep(REPEAT_AFTER_S)

    async def _send_or_wait(self, request: Message) -> None:
        """Send the request. When the input ends, send a call that waits again without `wait_s`."""
        if not may_wait(request):
            return await self._send(request)
        call = asyncio.create_task(self._send(request))
        end = asyncio.create_task(self._input_ended.wait())
        try:
            await asyncio.wait({call, end}, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
        finally:
            call.cancel()
            end.cancel()
            await asyncio.gather(call, end, return_exceptions=True)
        return await self._send(without_wait(request))

    async def _send(self, request: Message) -> None:
        """Write what the server answers. Raise Refused or AnswerLost."""
        try:
            async with self.http.post(
                f"{self.url}/mcp",
                data=json.dumps(request),
                headers=headers(request, self.version),
                timeout=ENDLESS_LIMITS if request["method"] == ENDLESS else LIMITS,
                allow_redirects=False,
            ) as response:
                if not await self._receive(request, response):
                    raise AnswerLost
        except (aiohttp.ClientConnectorError, TimeoutError, ValueError) as exc:
            raise self._away(exc) from exc
        except (aiohttp.ClientError, ConnectionResetError) as exc:
            raise AnswerLost from exc

    async def _receive(self, request: Message, response: aiohttp.ClientResponse) -> bool:
        """Write the messages of the server. Return whether the answer was among them."""
        if response.content_type != "text/event-stream":
            self._take(request, self._answer_of(request, response, await response.read()))
            return True
        events, answered = Events(), False
        async for part in response.content.iter_any():
            for each in events.messages(part):
                self._take(request, each)
                answered = answered or is_answer(each, request)
        return answered

    def _take(self, request: Message, message: Message) -> None:
        match request, message:
            case {"method": "initialize"}, {"result": {"protocolVersion": str(version)}}:
                self.version = version
        declares = self.as_channel and request["method"] in channel.DECLARING
        self.write(channel.with_capability(message) if declares else message)

    def _answer_of(
        self, request: Message, response: aiohttp.ClientResponse, body: bytes
    ) -> Message:
        """The answer in a body. Raise Refused if it is no answer of MCP."""
        answer = _json(body)
        if isinstance(answer, dict) and answer.get("jsonrpc") == "2.0":
            return {**answer, "id": request["id"]}
        if response.status == 401:
            raise Refused(
                "unauthenticated",
                f"Hubbub at {self.url} does not know the token in HUBBUB_TOKEN, or it was revoked. "
                "`hubbub token create` creates another.",
            )
        if (refused := refusal_in(answer)) is not None:
            raise refused
        raise self._away(f"{response.status}, {response.content_type}")

    def _away(self, why: Any) -> Refused:
        return Refused(
            "unavailable",
            f"Hubbub at {self.url} does not answer ({why}). Check HUBBUB_URL, or try again later.",
        )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
