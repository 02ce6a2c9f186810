"""The callers of this process that wait for events.

For each installation with waiting callers, one task reads the new events once and wakes the
callers that want them. One more task looks for what other processes did. While nobody waits,
no task runs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog

from bot.events import event_log
from bot.identity.actors import Actor
from bot.kernel import event_stream
from bot.kernel.event_stream import News, Page, Topics
from bot.kernel.waitable import EventFilter
from store.engine import wakeups
from store.engine.remote_changes import Watch
from store.engine.transaction import Store, Tx

log = structlog.get_logger()

# How often this process looks for what other processes did.
REMOTE_EVERY_S = 0.125
# Between two reads: in a busy installation, one read then covers many changes.
PAUSE_S = 0.02
# After a failure: the database may be away.
RETRY_S = 1.0


@dataclass(eq=False)
class Waiter:
    """A caller that waits. Events that come while it does not wait are not kept for it."""

    _wanted: EventFilter | None = None
    _woken: asyncio.Future[News | None] | None = None
    # Something happened while the caller did not wait.
    _behind: bool = False

    async def wait(self, wanted: EventFilter | None, timeout_s: float) -> News | None:
        """Wait for an event that is wanted, or with None for any change. Raise TimeoutError.

        Return the news, or None if the caller has to read for itself.
        """
        if self._behind:
            self._behind = False
            return None
        self._wanted = wanted
        woken: asyncio.Future[News | None] = asyncio.get_running_loop().create_future()
        self._woken = woken
        try:
            async with asyncio.timeout(timeout_s):
                return await woken
        except (TimeoutError, asyncio.CancelledError):
            # News may have come in the turn of the event loop in which the time ended.
            self._behind |= woken.done() and not woken.cancelled()
            raise
        finally:
            self._woken = None

    @property
    def is_waiting(self) -> bool:
        return self._woken is not None

    def notify(self, news: News) -> None:
        """Wake the caller if it wants one of the events."""
        if self._woken is None or self._woken.done():
            self._behind = True
        elif self._wanted is None or any(map(self._wanted, news.events)):
            self._woken.set_result(news)

    def wake(self) -> None:
        """Wake the caller, which then reads for itself."""
        self._behind = True
        if self._woken is not None and not self._woken.done():
            self._behind = False
            self._woken.set_result(None)


@dataclass(eq=False)
class InstallationReader:
    """Reads the events of one installation for all who wait in it, up to `cursor` so far."""

    installation_id: int
    cursor: int | None = None
    waiters: set[Waiter] = field(default_factory=set)
    task: asyncio.Task[None] | None = None

    async def read_new(self, store: Store) -> None:
        """Notify the waiters of new events. The first time, wake them: events may be there."""
        more = True
        while more:
            news = await store.read(partial(self._news, self.cursor))
            for waiter in self.waiters:
                waiter.wake() if self.cursor is None else waiter.notify(news)
            self.cursor, more = news.cursor, news.more

    async def _news(self, after: int | None, tx: Tx) -> News:
        return await event_log.read_news(tx, self.installation_id, after)

    async def run(self, store: Store) -> None:
        """Read whenever the bell rings, and once before: it may have rung already."""
        topic = wakeups.topic(self.installation_id)
        while True:
            ticket = store.bell.ticket(topic)
            try:
                await self.read_new(store)
            except Exception:  # the top of a loop: it must not end
                log.exception("events not read", installation=self.installation_id)
                await asyncio.sleep(RETRY_S)
                continue
            await asyncio.sleep(PAUSE_S)
            await store.bell.wait(topic, ticket, None)


@dataclass(eq=False)
class Follower:
    """Reads the events of an actor's topics in order, page after page."""

    store: Store
    actor: Actor
    topics: Topics
    # None: from now on.
    cursor: event_stream.Cursor
    waiter: Waiter
    _must_read: bool = True

    async def next_page(self, limit: int, timeout_s: float) -> Page:
        """The next events. Wait for them; after the time the page is empty.

        The first page comes at once, even if it is empty: its cursor is where the events begin.
        """
        if self._must_read:
            return await self._read(limit)
        wanted = partial(event_stream.wants, self.actor, self.topics)
        try:
            news = await self.waiter.wait(wanted, timeout_s)
        except TimeoutError:
            return Page((), self.cursor or 0)
        page = news and event_stream.page_of_news(
            self.actor, self.topics, self.cursor or 0, news, limit
        )
        return self._move_to(page) if page else await self._read(limit)

    async def _read(self, limit: int) -> Page:
        place = (self.actor, self.topics, self.cursor, limit)
        return self._move_to(await self.store.read(lambda tx: event_log.read_page(tx, *place)))

    def _move_to(self, page: Page) -> Page:
        self.cursor, self._must_read = page.cursor, page.more
        return page


@dataclass(eq=False)
class Waiters:
    """All waiters of one process. `stopping`: the process stops, so nobody shall wait on."""

    store: Store
    stopping: bool = False
    _readers: dict[int, InstallationReader] = field(default_factory=dict)
    _remote: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def add(self, installation_id: int) -> AsyncIterator[Waiter]:
        """A waiter. Add it before you read: what happens from then on wakes it."""
        waiter = Waiter()
        reader = self._start_reader(installation_id)
        reader.waiters.add(waiter)
        try:
            yield waiter
        finally:
            reader.waiters.discard(waiter)
            if not reader.waiters:
                await self._stop_reader(reader)

    @asynccontextmanager
    async def follow(
        self, actor: Actor, topics: Topics, cursor: event_stream.Cursor = None
    ) -> AsyncIterator[Follower]:
        async with self.add(actor.installation_id) as waiter:
            yield Follower(self.store, actor, topics, cursor, waiter)

    @property
    def waiting(self) -> int:
        """How many callers wait at this moment."""
        waiters = [waiter for each in self._readers.values() for waiter in each.waiters]
        return sum(waiter.is_waiting for waiter in waiters)

    def stop(self) -> None:
        """Answer all who wait with what there is."""
        self.stopping = True
        self.wake_all()

    def wake_all(self) -> None:
        """Let all who wait look again."""
        for reader in self._readers.values():
            for waiter in reader.waiters:
                waiter.wake()

    def _start_reader(self, installation_id: int) -> InstallationReader:
        reader = self._readers.get(installation_id)
        if reader is None:
            reader = self._readers[installation_id] = InstallationReader(installation_id)
        # A task that ended, which none should, is started again by the next caller who waits.
        if reader.task is None or reader.task.done():
            reader.task = asyncio.create_task(reader.run(self.store))
        if self._remote is None or self._remote.done():
            self._remote = asyncio.create_task(self._watch_others())
        return reader

    async def _stop_reader(self, reader: InstallationReader) -> None:
        del self._readers[reader.installation_id]
        ended = [reader.task]
        if not self._readers:
            ended.append(self._remote)
            self._remote = None
        for task in filter(None, ended):
            task.cancel()
        await asyncio.gather(*filter(None, ended), return_exceptions=True)

    async def _watch_others(self) -> None:
        """Ring the bell for what other processes did."""
        watch = Watch()
        while True:
            await asyncio.sleep(REMOTE_EVERY_S)
            try:
                await self._ring_for_others(watch)
            except Exception:  # the top of a loop: it must not end
                log.exception("changes of other processes not read")
                await asyncio.sleep(RETRY_S)

    async def _ring_for_others(self, watch: Watch) -> None:
        read = {i: each.cursor for i, each in self._readers.items() if each.cursor is not None}
        heads = await self.store.read(lambda tx: watch.look(tx, sorted(read)))
        self.store.bell.ring(wakeups.topic(i) for i, head in heads.items() if head > read[i])
