"""Which module delivers to an agent, by the protocol that it speaks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel

from bot.protocols import callback, plugins
from bot.protocols.a2a import client as a2a
from bot.protocols.link import Delivery, Link
from bot.protocols.openai import runner as openai
from bot.protocols.outcomes import Outcome
from store.tables.protocols import DeliveryKind, Protocol


@dataclass(frozen=True)
class Route:
    """`options`: what people may set for an endpoint. `in_worker`: a process of its own delivers.

    `takes`: the kinds of deliveries it knows; others are dropped.
    """

    deliver: Callable[[Link, Delivery], Awaitable[Outcome]]
    options: type[BaseModel]
    takes: frozenset[DeliveryKind] = frozenset({"task", "message", "cancel", "test"})
    in_worker: bool = False


ROUTES: dict[Protocol, Route] = {
    "a2a": Route(a2a.deliver, a2a.Options),
    "openai": Route(
        openai.deliver,
        openai.Options,
        # A run sees by itself that its task was taken away.
        takes=frozenset({"task", "message", "test"}),
        in_worker=True,
    ),
    "callback": Route(callback.deliver, callback.Options),
    # Which of them, the options say. What there is depends on the plug-ins that are on.
    "plugin": Route(plugins.deliver, plugins.Options),
}
IN_SERVER = tuple(name for name, route in ROUTES.items() if not route.in_worker)
IN_WORKER = tuple(name for name, route in ROUTES.items() if route.in_worker)
