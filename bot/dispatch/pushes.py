"""Follows what a running session of an agent should get at once, for as long as somebody reads."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial

from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.waiting import may_bring_notice
from bot.identity.actors import Actor
from bot.operations.messages import pushes
from bot.operations.messages.pushes import Page, Place, Push

# How often to look without an event: a lease comes near its end by time alone.
LOOK_EVERY_S = 15.0
# After a full page, so that a flood does not fill the session.
PAUSE_S = 5.0
# Keys of notices that follow from the state of the database. None of them comes twice.
MOST_KEYS = 1000
Identify = Callable[[], Awaitable[Actor]]


async def follow(
    dispatcher: Dispatcher, identify: Identify, cursor: str | None = None
) -> AsyncGenerator[Push]:
    """The pushes after the cursor, as they come, until the process stops. Raise Refused.

    `identify` is called before each look, so that a token that was revoked ends it.
    """
    actor = await identify()
    place = pushes.parse_place(actor.installation_id, cursor)
    sent: dict[str, None] = {}
    async with dispatcher.waiters.add(actor.installation_id) as waiter:
        while not dispatcher.waiters.stopping:
            page = await _read(dispatcher, await identify(), place)
            place = page.place
            for each in page.pushes:
                if each.key not in sent:
                    sent[each.key] = None
                    yield (
                        each
                        if each.cursor
                        else each.model_copy(update={"cursor": place.text(actor.installation_id)})
                    )
            while len(sent) > MOST_KEYS:
                del sent[next(iter(sent))]
            if page.more:
                await asyncio.sleep(PAUSE_S)
                continue
            try:
                await waiter.wait(partial(may_bring_notice, actor), LOOK_EVERY_S)
            except TimeoutError:
                continue


async def _read(dispatcher: Dispatcher, actor: Actor, place: Place) -> Page:
    return await dispatcher.store.read(
        lambda tx: pushes.read_page(tx, actor, dispatcher.shared, place)
    )
