"""What the loop for agents' endpoints needs: the operations, and connections to the addresses."""

from dataclasses import dataclass
from typing import Any

from bot.dispatch.callers import Caller
from bot.dispatch.dispatcher import Dispatcher, operations_of
from bot.identity.actors import Actor
from bot.kernel.operation import Shared
from bot.kernel.tool_schemas import lean
from bot.notifications.message import Links
from bot.plugins.deliveries import Deliveries
from bot.plugins.running import plugins_of
from bot.protocols.courier import Courier
from bot.protocols.link import Link
from bot.protocols.outgoing import Outgoing
from bot.protocols.routing import IN_SERVER
from store.engine.origins import Origin
from store.engine.transaction import Store
from store.tables.protocols import Protocol

# The issues of GitHub itself.
NO_PAGE = Links()


@dataclass(frozen=True)
class AgentCalls:
    """The operations, called on behalf of agents."""

    dispatcher: Dispatcher

    async def call(
        self, actor: Actor, operation: str, arguments: dict[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        """Raise Refused."""
        caller = Caller(origin=Origin("endpoint"))
        return await self.dispatcher.call(actor, operation, arguments, key, caller)

    async def answer(
        self, actor: Actor, operation: str, arguments: dict[str, Any], key: str | None = None
    ) -> str:
        """Raise Refused."""
        caller = Caller(origin=Origin("endpoint"))
        return (await self.dispatcher.reply(actor, operation, arguments, key, caller)).lean_json()

    def tools(self, actor: Actor) -> list[dict[str, Any]]:
        return [
            {
                "name": each.name,
                "description": each.description,
                "parameters": lean(each.arguments.model_json_schema()),
            }
            for each in operations_of(actor)
        ]


def courier_of(
    store: Store,
    shared: Shared,
    public_url: str,
    protocols: tuple[Protocol, ...] = IN_SERVER,
    links: Links = NO_PAGE,
) -> Courier:
    calls = AgentCalls(Dispatcher(store, shared))
    outgoing = Outgoing(shared.trusted_origins)
    plugins = plugins_of(shared.outside)
    added = Deliveries(store, plugins) if plugins else None
    link = Link(store, shared.keys, calls, outgoing, public_url, links, added)
    return Courier(link, protocols)
