"""`/ws`: calls, and events as they happen, for agents that do not speak MCP.

A socket keeps only the place of its client in the events. Events that a slow client has not read
stay in the database.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import WSCloseCode, WSMessage, web

from bot.dispatch import pushes
from bot.dispatch.callers import Caller
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused, failure
from bot.events import event_log
from bot.identity.actors import Actor
from bot.kernel import event_stream
from bot.kernel.event_stream import Page, Topics
from bot.operations.events import event_view
from store.engine.origins import Origin
from webhooks import frames, middleware
from webhooks.app_keys import DISPATCHER, TOKENS
from webhooks.connection import Connection
from webhooks.frames import Call, FollowPushes, Subscribe
from webhooks.listener import CONNECTIONS
from webhooks.origins import origin_of
from webhooks.sockets import SOCKETS

LARGEST = 64 * 1024
# A client that does not answer a ping within half of this time is disconnected.
PING_EVERY_S = 30.0
# Calls at once on one socket.
MOST_CALLS = 10
# Invalid frames in a row.
MOST_INVALID = 3
PAGE = 100
PROTOCOL = "hubbub"
# A browser cannot set a header: it offers this subprotocol with the token beside PROTOCOL.
BEARER = "hubbub.bearer."


async def connect(request: web.Request) -> web.StreamResponse:
    """Raise Refused before the connection is a WebSocket."""
    sockets = request.app[SOCKETS]
    token = _token(request)
    actor = await request.app[TOKENS].authenticate(token)
    ws = web.WebSocketResponse(
        heartbeat=PING_EVERY_S,
        timeout=sockets.patience.close_s,
        max_msg_size=LARGEST,
        protocols=[PROTOCOL],
    )
    if not ws.can_prepare(request):
        raise Refused("bad_request", "/ws is a WebSocket. Send an upgrade request.")
    caller = (actor.installation_id, actor.name)
    with sockets.reserve(actor), request.app[CONNECTIONS].mark_known(request, caller):
        await ws.prepare(request)
        connection = Connection(ws, request, sockets.patience)
        with sockets.add(connection, actor):
            origin = origin_of(request, "websocket")
            await Socket(request.app[DISPATCHER], actor, connection, origin).serve()
    return ws


def _token(request: web.Request) -> str:
    """Raise Refused. aiohttp would log the token if PROTOCOL was not offered beside it."""
    header = request.headers.get("Sec-WebSocket-Protocol", "")
    offered = [each.strip() for each in header.split(",")]
    if header and PROTOCOL not in offered:
        raise Refused("bad_request", f"Offer the subprotocol {PROTOCOL}, or no subprotocol.")
    by_protocol = [each.removeprefix(BEARER) for each in offered if each.startswith(BEARER)]
    return by_protocol[0] if by_protocol else middleware.bearer(request)


@dataclass(eq=False)
class Socket:
    """Serves one client: several calls at once, one subscription, and its agent's pushes."""

    dispatcher: Dispatcher
    actor: Actor
    connection: Connection
    origin: Origin
    _calls: set[asyncio.Task[None]] = field(default_factory=set)
    _subscription: asyncio.Task[None] | None = None
    _pushes: asyncio.Task[None] | None = None
    _invalid: int = 0

    async def serve(self) -> None:
        try:
            await self.connection.receive(self._handle)
        finally:
            running = [*self._calls, *filter(None, (self._subscription, self._pushes))]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _handle(self, message: WSMessage) -> None:
        try:
            frame = frames.parse(message)
        except Refused as exc:
            self._invalid += 1
            await self._send_error(exc)
            if self._invalid >= MOST_INVALID:
                reason = f"{MOST_INVALID} invalid frames in a row"
                await self.connection.close(WSCloseCode.POLICY_VIOLATION, reason)
            return
        self._invalid = 0
        if isinstance(frame, Call):
            await self._start_call(frame)
        elif isinstance(frame, FollowPushes):
            await self._follow_pushes(frame)
        else:
            await self._subscribe(frame)

    async def _send_error(self, error: Refused, **call: Any) -> None:
        refusals = self.dispatcher.refusals
        await refusals.record_call(self.actor, "websocket", None, error, self.origin)
        await self.connection.send({"type": "error", **call, **error.body()})

    async def _start_call(self, call: Call) -> None:
        if len(self._calls) >= MOST_CALLS:
            error = Refused(
                "too_many",
                f"This socket has {MOST_CALLS} running calls, which is the limit. Wait for a "
                "result.",
                most=MOST_CALLS,
            )
            await self._send_error(error, id=call.id)
            return
        task = asyncio.create_task(self.connection.run(partial(self._call, call)))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _call(self, call: Call) -> None:
        try:
            caller = Caller(origin=self.origin)
            reply = await self.dispatcher.reply(
                self.actor, call.operation, call.arguments, call.key, caller
            )
        except Refused as exc:
            await self._send_error(exc, id=call.id)
        except Exception as exc:  # noqa: BLE001 - every bug is logged and answered
            await self._send_error(failure(exc, operation=call.operation), id=call.id)
        else:
            await self.connection.send({"type": "result", "id": call.id, "result": reply.values()})

    async def _subscribe(self, frame: Subscribe) -> None:
        """Replace the subscription, unless the new one is refused."""
        actor, topics = self.actor, frame.topics
        try:
            cursor = event_stream.parse_cursor(actor.installation_id, frame.cursor)
            found = await self.dispatcher.store.read(
                lambda tx: event_log.find_topics(tx, actor, topics)
            )
        except Refused as exc:
            await self._send_error(exc)
            return
        if self._subscription is not None:
            self._subscription.cancel()
            await asyncio.gather(self._subscription, return_exceptions=True)
        events = partial(self._send_events, found, cursor)
        self._subscription = asyncio.create_task(self.connection.run(events))

    async def _send_events(self, topics: Topics, cursor: event_stream.Cursor) -> None:
        waiters = self.dispatcher.waiters
        async with waiters.follow(self.actor, topics, cursor) as follower:
            page = await follower.next_page(PAGE, 0)
            begin = page.cursor if cursor is None or page.missed else cursor
            await self.connection.send(
                {"cursor": self._cursor(begin), "type": "subscribed", "missed": page.missed}
            )
            await self._send_page(page)
            while not waiters.stopping:
                await self._send_page(await follower.next_page(PAGE, PING_EVERY_S))

    async def _send_page(self, page: Page) -> None:
        for event in page.events:
            cursor = {"cursor": self._cursor(event["seq"])}
            await self.connection.send({"type": "event", **event_view(event)} | cursor)

    async def _follow_pushes(self, frame: FollowPushes) -> None:
        """Send the agent's pushes from now on, or from another place."""
        if self._pushes is not None:
            self._pushes.cancel()
            await asyncio.gather(self._pushes, return_exceptions=True)
        self._pushes = asyncio.create_task(
            self.connection.run(partial(self._send_pushes, frame.cursor))
        )

    async def _send_pushes(self, cursor: str | None) -> None:
        async def identify() -> Actor:
            return self.actor  # a socket is closed when its token ends

        try:
            async with aclosing(pushes.follow(self.dispatcher, identify, cursor)) as found:
                async for each in found:
                    shown = each.model_dump(mode="json", exclude_none=True)
                    await self.connection.send({"type": "push", **shown})
        except Refused as exc:
            await self._send_error(exc)

    def _cursor(self, place: int) -> str:
        return event_stream.cursor_text(self.actor.installation_id, place)
