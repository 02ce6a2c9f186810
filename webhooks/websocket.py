"""`/ws`: events as they happen, and calls, for agents that do not speak MCP.

A socket keeps nothing for its client but a place in the events: what a slow one has not read yet
stays in the database.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import structlog
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused, failure
from bot.events import event_log
from bot.identity.actors import Actor
from bot.identity.tokens import TOKEN_CACHE_S, Tokens
from bot.kernel import argument_errors, event_stream
from bot.kernel.event_stream import Page, Topics
from bot.operations.events import TopicNames, event_view
from webhooks import middleware

log = structlog.get_logger()

LARGEST = 64 * 1024
# A client that does not answer within half of that is gone.
PING_EVERY_S = 30.0
# By one token, in one process.
MOST_SOCKETS = 20
# Calls under way on one socket.
MOST_CALLS = 10
# Frames in a row that make no sense.
MOST_BAD = 3
PAGE = 100
PROTOCOL = "hubbub"
# Browsers can set no header: there the token is a subprotocol offered beside the one above.
BEARER = "hubbub.bearer."


class Subscribe(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["subscribe"]
    topics: TopicNames
    cursor: Annotated[str, Field(max_length=100)] | None = None


class Call(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["call"]
    id: Annotated[str, Field(max_length=100)] | int
    operation: Annotated[str, Field(max_length=100)]
    arguments: dict[str, Any] = {}
    # As the header Idempotency-Key of REST.
    key: Annotated[str, Field(max_length=100)] | None = None


FRAME: TypeAdapter[Subscribe | Call] = TypeAdapter(
    Annotated[Subscribe | Call, Field(discriminator="type")]
)


@dataclass(frozen=True)
class Patience:
    """`send_s`: how long a client may take nothing of what is sent. `close_s`: to say goodbye."""

    send_s: float = 60.0
    close_s: float = 2.0
    look_every_s: float = TOKEN_CACHE_S


@dataclass(eq=False)
class Socket:
    dispatcher: Dispatcher
    actor: Actor
    token: str
    ws: web.WebSocketResponse
    request: web.Request
    patience: Patience
    _feeding: asyncio.Task[None] | None = None
    _calls: set[asyncio.Task[None]] = field(default_factory=set)
    _bad: int = 0

    async def live(self) -> None:
        """Until it is closed, by whomever."""
        try:
            async for message in self.ws:
                await self._take(message)
        except ConnectionError:
            return
        finally:
            self._cut_after(self.patience.close_s)
            await self._end()

    async def close(self, code: WSCloseCode, why: str) -> None:
        """Within a time, whatever the client does."""
        self._cut_after(2 * self.patience.close_s)
        await self.ws.close(code=code, message=why.encode())

    def _cut_after(self, seconds: float) -> asyncio.TimerHandle:
        """Then nobody waits for it any more: what it has not read by then is dropped."""
        return asyncio.get_running_loop().call_later(seconds, self._cut)

    def _cut(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()

    async def _end(self) -> None:
        under_way = [*self._calls, *([self._feeding] if self._feeding else [])]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _take(self, message: WSMessage) -> None:
        try:
            frame = _parsed(message)
        except Refused as exc:
            self._bad += 1
            await self._send({"type": "error", **exc.body()})
            if self._bad >= MOST_BAD:
                await self.close(WSCloseCode.POLICY_VIOLATION, "frames that make no sense")
            return
        self._bad = 0
        if isinstance(frame, Call):
            await self._begin(frame)
        else:
            await self._subscribe(frame)

    async def _send(self, frame: dict[str, Any]) -> None:
        """Waits while the client does not read, but not for ever."""
        cut = self._cut_after(self.patience.send_s)
        try:
            # Shielded: aiohttp has all senders of a connection wait for one future, and whoever
            # is cancelled there takes the others with it, and those who come later.
            await asyncio.shield(self.ws.send_str(json.dumps(frame, ensure_ascii=False)))
        finally:
            cut.cancel()

    # --- Calls ---------------------------------------------------------------------------------

    async def _begin(self, call: Call) -> None:
        if len(self._calls) >= MOST_CALLS:
            refused = Refused(
                "too_many",
                f"{MOST_CALLS} calls of this socket are under way; wait for one of their results.",
                most=MOST_CALLS,
            )
            await self._send({"type": "error", "id": call.id, **refused.body()})
            return
        task = asyncio.create_task(self._at_the_top(self._call(call)))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _call(self, call: Call) -> None:
        try:
            answer = await self.dispatcher.call(
                self.actor, call.operation, call.arguments, call.key
            )
        except Refused as exc:
            await self._send({"type": "error", "id": call.id, **exc.body()})
        except Exception as exc:  # noqa: BLE001 - logged and answered, as on every surface
            said = failure(exc, operation=call.operation)
            await self._send({"type": "error", "id": call.id, **said.body()})
        else:
            await self._send({"type": "result", "id": call.id, "result": answer})

    # --- Events --------------------------------------------------------------------------------

    async def _subscribe(self, frame: Subscribe) -> None:
        """In place of what was subscribed to before, unless it is refused."""
        actor = self.actor
        try:
            cursor = event_stream.parse_cursor(actor.installation_id, frame.cursor)
            topics = await self.dispatcher.store.read(
                lambda tx: event_log.find_topics(tx, actor, frame.topics)
            )
        except Refused as exc:
            await self._send({"type": "error", **exc.body()})
            return
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.gather(self._feeding, return_exceptions=True)
        self._feeding = asyncio.create_task(self._at_the_top(self._feed(topics, cursor)))

    async def _feed(self, topics: Topics, cursor: event_stream.Cursor) -> None:
        async with self.dispatcher.waiters.follow(self.actor, topics, cursor) as follower:
            page = await follower.next_page(PAGE, 0)
            begin = page.cursor if cursor is None or page.missed else cursor
            await self._send(self._at(begin) | {"type": "subscribed", "missed": page.missed})
            await self._tell(page)
            while not self.dispatcher.waiters.stopping:
                await self._tell(await follower.next_page(PAGE, PING_EVERY_S))

    async def _tell(self, page: Page) -> None:
        for event in page.events:
            await self._send({"type": "event", **event_view(event)} | self._at(event["seq"]))

    def _at(self, place: int) -> dict[str, str]:
        return {"cursor": event_stream.cursor_text(self.actor.installation_id, place)}

    async def _at_the_top(self, work: Coroutine[Any, Any, None]) -> None:
        """A client that is gone is no fault; anything else ends the socket, and it may return."""
        try:
            await work
        except ConnectionError:
            return
        except Exception as exc:  # noqa: BLE001 - logged and answered, as on every surface
            said = failure(exc, path="/ws")
            await self.close(WSCloseCode.INTERNAL_ERROR, said.code)


def _parsed(message: WSMessage) -> Subscribe | Call:
    """Raise Refused."""
    if message.type is not WSMsgType.TEXT:
        raise Refused("bad_request", "A frame must be text: one JSON object.")
    try:
        given = json.loads(message.data)
    except (ValueError, RecursionError) as exc:
        raise Refused("bad_request", "The frame is no JSON.") from exc
    try:
        return FRAME.validate_python(given)
    except ValidationError as exc:
        raise Refused("bad_request", _unfit(exc, given)) from exc


def _unfit(exc: ValidationError, given: Any) -> str:
    model = Call if isinstance(given, dict) and given.get("type") == "call" else Subscribe
    name, why = next(iter(argument_errors.said(exc, given, model).items()))
    return (
        f"{f'`{name}`' if name else 'The frame'} {why}. Frames are "
        '{"type": "subscribe", "topics": […], "cursor": …} and '
        '{"type": "call", "id": …, "operation": …, "arguments": {…}, "key": …}; `cursor`, '
        "`arguments` and `key` may be left out."
    )


@dataclass(eq=False)
class Sockets:
    """Those of this process, and the one look at whether their tokens still hold."""

    dispatcher: Dispatcher
    tokens: Tokens
    patience: Patience = Patience()
    open: set[Socket] = field(default_factory=set)
    _by_token: Counter[str] = field(default_factory=Counter)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    @contextmanager
    def place(self, token: str) -> Iterator[None]:
        """Raise Refused."""
        if self._by_token[token] >= MOST_SOCKETS:
            raise Refused(
                "too_many",
                f"{MOST_SOCKETS} sockets of this token are open; close one.",
                most=MOST_SOCKETS,
            )
        self._by_token[token] += 1
        try:
            yield
        finally:
            self._by_token[token] -= 1
            if not self._by_token[token]:
                del self._by_token[token]

    @contextmanager
    def kept(self, socket: Socket) -> Iterator[None]:
        self.open.add(socket)
        try:
            yield
        finally:
            self.open.discard(socket)

    async def life(self, _: web.Application) -> AsyncIterator[None]:
        guard = asyncio.create_task(self._guarded())
        yield
        guard.cancel()
        await asyncio.gather(guard, *self._closing, return_exceptions=True)

    async def close_all(self, _: web.Application) -> None:
        """The server stops: its clients come back, to this one or another."""
        going = WSCloseCode.GOING_AWAY
        await asyncio.gather(*(each.close(going, "the server stops") for each in self.open))

    async def _guarded(self) -> None:
        """Close those whose token was revoked."""
        while True:
            await asyncio.sleep(self.patience.look_every_s)
            if not self.open:
                continue
            try:
                revoked = await self.tokens.find_revoked(set(self._by_token))
            except Exception:  # the database is away; sockets stay as they are
                log.exception("tokens not checked")
                continue
            for each in self.open:
                if each.token in revoked:
                    self._begin_to_close(each)

    def _begin_to_close(self, socket: Socket) -> None:
        """None waits for another."""
        closing = socket.close(WSCloseCode.POLICY_VIOLATION, "unauthenticated")
        task = asyncio.create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


SOCKETS = web.AppKey("sockets", Sockets)


async def connect(request: web.Request) -> web.StreamResponse:
    """Raise Refused, before it is a socket."""
    sockets = request.app[SOCKETS]
    token = _token(request)
    actor = await sockets.tokens.authenticate(token)
    ws = web.WebSocketResponse(
        heartbeat=PING_EVERY_S,
        timeout=sockets.patience.close_s,
        max_msg_size=LARGEST,
        protocols=[PROTOCOL],
    )
    if not ws.can_prepare(request):
        raise Refused("bad_request", "/ws is a WebSocket: ask for an upgrade.")
    with sockets.place(token):
        await ws.prepare(request)
        socket = Socket(sockets.dispatcher, actor, token, ws, request, sockets.patience)
        with sockets.kept(socket):
            await socket.live()
    return ws


def _token(request: web.Request) -> str:
    """Raise Refused. Without a protocol of ours among those offered aiohttp would log them all."""
    header = request.headers.get("Sec-WebSocket-Protocol", "")
    offered = [each.strip() for each in header.split(",")]
    if header and PROTOCOL not in offered:
        raise Refused("bad_request", f"Offer the subprotocol {PROTOCOL}, or none.")
    by_protocol = [each.removeprefix(BEARER) for each in offered if each.startswith(BEARER)]
    return by_protocol[0] if by_protocol else middleware.bearer(request)
