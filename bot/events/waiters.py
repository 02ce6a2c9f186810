"""Those of this process who wait for something to happen, and the one look they share.

For each installation in which somebody waits a task reads what is new, once for all of them,
whenever its bell rings, and wakes those whom it concerns. One watcher rings the bell for what
other processes did. While nobody waits, nothing runs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import structlog

from bot.events import event_log
from bot.identity.actors import Actor
from bot.kernel import event_stream
from bot.kernel.event_stream import News, Page, Topics
from store.engine import wakeups
from store.engine.remote_changes import Watch
from store.engine.transaction import Row, Store, Tx

log = structlog.get_logger()

# How often it is asked what other processes did.
WATCH_EVERY_S = 0.125
# Between two looks: in a busy installation one of them is for many changes.
CALM_S = 0.02
# After a failure: the database may be away.
AGAIN_S = 1.0

Wants: TypeAlias = Callable[[Row], bool]


@dataclass(eq=False)
class Spot:
    """The place of one who waits. What comes while it does not wait is not kept: it looks anew."""

    _wants: Wants | None = None
    _woken: asyncio.Future[News | None] | None = None
    _behind: bool = False

    async def wait(self, wants: Wants | None, timeout_s: float) -> News | None:
        """Until an event comes that is wanted, or with None anything happens.

        None: something happened unseen, look for yourself. Raise TimeoutError.
        """
        if self._behind:
            self._behind = False
            return None
        self._wants = wants
        woken: asyncio.Future[News | None] = asyncio.get_running_loop().create_future()
        self._woken = woken
        try:
            async with asyncio.timeout(timeout_s):
                return await woken
        except (TimeoutError, asyncio.CancelledError):
            # Something may have come in the turn of the loop in which the time ended.
            self._behind |= woken.done() and not woken.cancelled()
            raise
        finally:
            self._woken = None

    @property
    def waits(self) -> bool:
        return self._woken is not None

    def tell(self, found: News) -> None:
        if self._woken is None or self._woken.done():
            self._behind = True
        elif self._wants is None or any(map(self._wants, found.events)):
            self._woken.set_result(found)

    def wake(self) -> None:
        self._behind = True
        if self._woken is not None and not self._woken.done():
            self._behind = False
            self._woken.set_result(None)


@dataclass(eq=False)
class Outlook:
    """One installation, as those see it who wait in it. `cursor`: how far was looked."""

    installation_id: int
    cursor: int | None = None
    spots: set[Spot] = field(default_factory=set)
    task: asyncio.Task[None] | None = None

    async def look(self, store: Store) -> None:
        """Tell what is new since the last look; at the first, that there may be something."""
        more = True
        while more:
            found = await store.read(partial(self._new, self.cursor))
            for spot in self.spots:
                spot.wake() if self.cursor is None else spot.tell(found)
            self.cursor, more = found.cursor, found.more

    async def _new(self, after: int | None, tx: Tx) -> News:
        return await event_log.look(tx, self.installation_id, after)

    async def forever(self, store: Store) -> None:
        """Look whenever the bell rings; it may have rung before the first time."""
        topic = wakeups.topic(self.installation_id)
        while True:
            ticket = store.bell.ticket(topic)
            try:
                await self.look(store)
            except Exception:  # the top of a loop: it must not end
                log.exception("look failed", installation=self.installation_id)
                await asyncio.sleep(AGAIN_S)
                continue
            await asyncio.sleep(CALM_S)
            await store.bell.wait(topic, ticket, None)


@dataclass(eq=False)
class Following:
    """One reader's way through the events. It keeps nothing but its place."""

    store: Store
    actor: Actor
    topics: Topics
    # None: from now on.
    cursor: event_stream.Cursor
    spot: Spot
    _must_look: bool = True

    async def next(self, limit: int, timeout_s: float) -> Page:
        """What comes next, waiting for it; an empty page when the time is over.

        The first one comes at once, also when it is empty: it says where it begins.
        """
        if self._must_look:
            return await self._look(limit)
        try:
            found = await self.spot.wait(
                partial(event_stream.wants, self.actor, self.topics), timeout_s
            )
        except TimeoutError:
            return Page((), self.cursor or 0)
        page = found and event_stream.told(self.actor, self.topics, self.cursor or 0, found, limit)
        return self._moved(page) if page else await self._look(limit)

    async def _look(self, limit: int) -> Page:
        where = (self.actor, self.topics, self.cursor, limit)
        return self._moved(await self.store.read(lambda tx: event_log.page(tx, *where)))

    def _moved(self, page: Page) -> Page:
        self.cursor, self._must_look = page.cursor, page.more
        return page


@dataclass(eq=False)
class Watching:
    """Of one process."""

    store: Store
    _outlooks: dict[int, Outlook] = field(default_factory=dict)
    _watcher: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def spot(self, installation_id: int) -> AsyncIterator[Spot]:
        """Take it before you look: what happens from then on wakes you."""
        spot = Spot()
        outlook = self._begin(installation_id)
        outlook.spots.add(spot)
        try:
            yield spot
        finally:
            outlook.spots.discard(spot)
            if not outlook.spots:
                await self._end(outlook)

    @asynccontextmanager
    async def following(
        self, actor: Actor, topics: Topics, cursor: event_stream.Cursor = None
    ) -> AsyncIterator[Following]:
        """What happens, page after page, as the actor may see it; see `Following.next`."""
        async with self.spot(actor.installation_id) as spot:
            yield Following(self.store, actor, topics, cursor, spot)

    @property
    def waiting(self) -> int:
        """How many wait at this moment."""
        spots = [spot for each in self._outlooks.values() for spot in each.spots]
        return sum(spot.waits for spot in spots)

    def wake_all(self) -> None:
        """The end has come: all look for themselves."""
        for outlook in self._outlooks.values():
            for spot in outlook.spots:
                spot.wake()

    def _begin(self, installation_id: int) -> Outlook:
        outlook = self._outlooks.get(installation_id)
        if outlook is None:
            outlook = self._outlooks[installation_id] = Outlook(installation_id)
            outlook.task = asyncio.create_task(outlook.forever(self.store))
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        return outlook

    async def _end(self, outlook: Outlook) -> None:
        del self._outlooks[outlook.installation_id]
        ended = [outlook.task]
        if not self._outlooks:
            ended.append(self._watcher)
            self._watcher = None
        for task in filter(None, ended):
            task.cancel()
        await asyncio.gather(*filter(None, ended), return_exceptions=True)

    async def _watch(self) -> None:
        """Ring the bell for what other processes did."""
        watch = Watch()
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            try:
                await self._look(watch)
            except Exception:  # as above
                log.exception("watcher failed")
                await asyncio.sleep(AGAIN_S)

    async def _look(self, watch: Watch) -> None:
        looked = {i: each.cursor for i, each in self._outlooks.items() if each.cursor is not None}
        found = await self.store.read(lambda tx: watch.look(tx, sorted(looked)))
        self.store.bell.ring(wakeups.topic(i) for i, head in found.items() if head > looked[i])
