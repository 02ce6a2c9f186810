"""`…/updates`: one stream of server-sent events for each browser, with names of what changed.

It carries no data: the browser loads the fragments again that show what changed, so there is no
second way to what somebody may see.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web

from bot.events import event_log
from bot.events.waiters import Waiter
from bot.identity.actors import Actor
from bot.identity.people import visitors
from bot.kernel import event_stream
from bot.kernel.event_stream import TOPICS, NamedEvent, News
from webhooks import cookies
from webhooks.app_keys import DISPATCHER, TOKENS
from webhooks.disconnects import is_gone
from webhooks.login import LOGIN, SESSION
from webhooks.page import answers, pages
from webhooks.page.open_streams import STREAMS
from webhooks.page.visit import Visit

# A browser asks again so long after the stream ended, in milliseconds.
RETRY_MS = 2000
# When nothing happens, a comment keeps proxies from closing the stream.
PING_S = 15.0
# How often to look whether the browser is gone, and whether its login still holds.
LOOK_S, CHECK_S = 2.0, 5.0
# How long a browser may accept no data.
SEND_S = 30.0
# All fragments. Every change in the account may show in those named `activity`.
EVERYTHING, ACTIVITY = "everything", "activity"
TOPIC_OF_KIND = {kind: topic for topic, kind in TOPICS.items()}


async def follow(request: web.Request) -> web.StreamResponse:
    async def make(visit: Visit) -> web.StreamResponse:
        stream = Stream(visit, visit.actor, _place(visit))
        with request.app[STREAMS].add(visit.visitor.session, stream):
            return await stream.run()

    return await pages.answer(request, make)


def _place(visit: Visit) -> int:
    """The event after which the browser has seen nothing."""
    given = visit.request.headers.get("Last-Event-ID") or visit.value("since")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else visit.head


@dataclass(eq=False)
class Stream:
    """`place`: the event after which the browser has seen nothing."""

    visit: Visit
    actor: Actor
    place: int
    is_replaced: bool = False
    _response: web.StreamResponse = field(init=False)

    async def run(self) -> web.StreamResponse:
        headers = {**answers.HEADERS, "X-Accel-Buffering": "no"}
        self._response = web.StreamResponse(headers=headers)
        self._response.content_type = "text/event-stream"
        await self._response.prepare(self.visit.request)
        waiters = self.visit.request.app[DISPATCHER].waiters
        try:
            await self._send(f"retry: {RETRY_MS}\n\n")
            async with waiters.add(self.actor.installation_id) as waiter:
                await self._follow(waiter)
        except (ConnectionError, TimeoutError):
            pass  # the browser is gone, or does not read
        return self._response

    async def _follow(self, waiter: Waiter) -> None:
        app, loop = self.visit.request.app, asyncio.get_running_loop()
        checked = spoke = loop.time()
        while not (app[DISPATCHER].waiters.stopping or self.is_replaced):
            if self._has_ended() or loop.time() - checked > CHECK_S:
                checked = loop.time()
                if not await self._check_login():
                    await self._send("event: ended\ndata: login\n\n")
                    return
            if names := await self._names():
                spoke = loop.time()
                await self._send(f"id: {self.place}\nevent: changed\ndata: {' '.join(names)}\n\n")
                await app[STREAMS].pause(app[STREAMS].every_s)
            elif loop.time() - spoke > PING_S:
                spoke = loop.time()
                await self._send(": still here\n\n")
            if not await self._wait(waiter):
                return

    async def _wait(self, waiter: Waiter) -> bool:
        """Wait for a change, but not long. False if the browser is gone."""
        with suppress(TimeoutError):
            await waiter.wait(None, LOOK_S)
        return not is_gone(self.visit.request)

    async def _names(self) -> Sequence[str]:
        """What changed since the last message."""
        store = self.visit.request.app[DISPATCHER].store
        after, i = self.place, self.actor.installation_id
        news = await store.read(partial(event_log.changes_since, installation_id=i, after=after))
        self.place = news.cursor
        if news.cursor == after:
            return ()
        return names_of(self.actor, news) if not news.more else (EVERYTHING,)

    def _has_ended(self) -> bool:
        return self.visit.request.app[TOKENS].has_ended(self.actor)

    async def _check_login(self) -> bool:
        """Whether the login holds. The actor gets the roles of this moment."""
        here, visit = self.visit.request.app[LOGIN], self.visit
        cookie = cookies.get(visit.request, SESSION)
        visitor = await here.store.read(lambda tx: visitors.find(tx, here.keys, cookie))
        if visitor is None:
            return False
        found = await here.store.read(lambda tx: visitors.actor_in(tx, visitor, visit.account))
        self.actor = found or self.actor
        return found is not None

    async def _send(self, text: str) -> None:
        async with asyncio.timeout(SEND_S):
            await self._response.write(text.encode())


def names_of(actor: Actor, news: News) -> list[str]:
    """The names of what the events changed, as far as the actor may see them."""
    found = {ACTIVITY}
    for event in news.events:
        if event_stream.may_see(actor, event):
            found |= _names_of_event(event)
    return sorted(found)


def _names_of_event(event: NamedEvent) -> set[str]:
    kind = event["kind"].partition(".")[0]
    topic = TOPIC_OF_KIND.get(kind)
    if topic is None:
        return set()
    return {topic, f"task:{event['subject']}"} if kind == "task" else {topic}
