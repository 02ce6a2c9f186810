"""`subscriptions/listen`: reports which resources changed. The client then reads them again.

A stream keeps only its place in the events, so a slow reader costs nothing and loses nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import mcp_types as types
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp.shared.exceptions import MCPError

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.events.waiters import Follower
from bot.identity.actors import Actor
from bot.kernel.event_stream import Topics
from bot.kernel.tool_lists import CHANGED
from bot.kernel.tool_lists import SUBJECT as TOOLS
from bot.outbox import usage
from mcp_server import resources
from mcp_server.authentication import Asking, Identified, require_actor
from mcp_server.resources import BUDGET
from store.engine.transaction import Row, Store, Tx

# Streams of one agent, and resources of one stream.
MOST_STREAMS = 10
MOST_URIS = 100
# How often a stream checks its token, which is also cached.
LOOK_EVERY_S = 10.0
# How often a change of the budget is reported at most.
BUDGET_EVERY_S = 30.0
EVENTS = 500


@dataclass(frozen=True)
class Watched:
    """URIs by the topic and subject of the events that report their changes. None: any subject."""

    uris: dict[tuple[str, str | None], list[str]]
    budget: bool
    # Whether the stream reports that `tools/list` changed.
    tools: bool = False

    @property
    def topics(self) -> Topics:
        return Topics(
            frozenset(topic for topic, subject in self.uris if subject is None)
            | ({TOOLS} if self.tools else set()),
            frozenset((topic, subject) for topic, subject in self.uris if subject is not None),
        )

    def changed_uris(self, events: Sequence[Row]) -> list[str]:
        """The changed URIs, each once, in the order of the events."""
        found: dict[str, None] = {}
        for event in events:
            topic = event["kind"].partition(".")[0]
            for subject in (None, event["subject"]):
                found |= dict.fromkeys(self.uris.get((topic, subject), ()))
        return list(found)


async def watch_list(
    dispatcher: Dispatcher, context: Asking, actor: Actor, uris: Sequence[str]
) -> Watched:
    """What a stream watches. Raise MCPError for a resource that the actor may not read."""
    if len(uris) > MOST_URIS:
        raise MCPError(
            types.INVALID_PARAMS,
            f"A stream can watch at most {MOST_URIS} resources. Open another stream.",
        )
    found: dict[tuple[str, str | None], list[str]] = {}
    for uri in dict.fromkeys(uris):
        where = resources.address(uri)
        reply = await resources.reply(dispatcher, context, actor, where)
        resource = where.resource
        subject = resource.subject and resource.subject(reply.values())
        for topic in resource.topics:
            found.setdefault((topic, subject), []).append(uri)
    return Watched(found, BUDGET.uri in uris)


async def _budget_state(store: Store, actor: Actor) -> object:
    """The parts of the budget that change when somebody writes."""

    async def look(tx: Tx) -> object:
        found = await usage.of(tx, actor.installation_id)
        left = [(each.name, each.left, each.closed_until) for each in found.buckets]
        return left, found.rows, found.spent

    return await store.read(look)


@dataclass(frozen=True)
class Listening:
    """All streams of this process, by agent."""

    dispatcher: Dispatcher
    identified: Identified
    look_every_s: float = LOOK_EVERY_S
    budget_every_s: float = BUDGET_EVERY_S
    open: Counter[tuple[int, str]] = field(default_factory=Counter)

    async def __call__(
        self, context: Asking, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        actor = await require_actor(self.identified, context)
        wanted = params.notifications
        with self._reserve(actor):
            uris = wanted.resource_subscriptions or []
            found = await watch_list(self.dispatcher, context, actor, uris)
            found = replace(found, tools=bool(wanted.tools_list_changed))
            async with self.dispatcher.waiters.follow(actor, found.topics) as follower:
                # From this place on, the stream misses no event.
                await follower.next_page(EVENTS, 0)
                await acknowledge(context, _supported_filter(wanted))
                await self._report(context, actor, found, follower)
        return end_message(context)

    @contextmanager
    def _reserve(self, actor: Actor) -> Iterator[None]:
        who = (actor.installation_id, actor.name)
        if self.open[who] >= MOST_STREAMS:
            raise MCPError(
                types.INVALID_REQUEST,
                f"{actor.name} has {MOST_STREAMS} streams open, which is the limit. Close one, or "
                "watch several resources by one stream.",
            )
        self.open[who] += 1
        try:
            yield
        finally:
            self.open[who] -= 1
            if not self.open[who]:
                del self.open[who]

    async def _report(
        self, context: Asking, actor: Actor, found: Watched, follower: Follower
    ) -> None:
        """Report changes until the process stops or the token is revoked."""
        time = asyncio.get_running_loop().time
        left, due = None, time()
        while not self.dispatcher.waiters.stopping:
            if found.budget and time() >= due:
                before, left = left, await _budget_state(self.dispatcher.store, actor)
                due = time() + self.budget_every_s
                if before not in (None, left):
                    await notify(context, BUDGET.uri)
            page = await follower.next_page(EVENTS, self.look_every_s)
            if not await self._is_still(actor, context):
                return
            for uri in found.changed_uris(page.events):
                await notify(context, uri)
            if found.tools and any(event["kind"] == CHANGED for event in page.events):
                await notify_tools(context)

    async def _is_still(self, actor: Actor, context: Asking) -> bool:
        """Whether the token is valid, and its person has the same permissions as before."""
        try:
            return await self.identified(context) == actor
        except Refused:
            return False


def _supported_filter(wanted: types.SubscriptionFilter) -> types.SubscriptionFilter:
    """The list of resources never changes for a token, so nothing reports on it."""
    return types.SubscriptionFilter(
        tools_list_changed=wanted.tools_list_changed or None,
        resources_list_changed=wanted.resources_list_changed or None,
        resource_subscriptions=wanted.resource_subscriptions or None,
    )


def _meta(context: Asking) -> dict[str, Any]:
    return {SUBSCRIPTION_ID_META_KEY: context.request_id}


async def acknowledge(context: Asking, agreed: types.SubscriptionFilter) -> None:
    """Send the first message of a stream: what it will report."""
    await context.session.send_notification(
        types.SubscriptionsAcknowledgedNotification(
            params=types.SubscriptionsAcknowledgedNotificationParams(
                notifications=agreed, _meta=_meta(context)
            )
        ),
        related_request_id=context.request_id,
    )


async def notify(context: Asking, uri: str) -> None:
    await context.session.send_notification(
        types.ResourceUpdatedNotification(
            params=types.ResourceUpdatedNotificationParams(uri=uri, _meta=_meta(context))
        ),
        related_request_id=context.request_id,
    )


async def notify_tools(context: Asking) -> None:
    await context.session.send_notification(
        types.ToolListChangedNotification(params=types.NotificationParams(_meta=_meta(context))),
        related_request_id=context.request_id,
    )


def end_message(context: Asking) -> types.SubscriptionsListenResult:
    """The last message: the stream was ended on purpose."""
    return types.SubscriptionsListenResult(_meta=_meta(context))
