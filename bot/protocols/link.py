"""What the module of a protocol gets to deliver something."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.notifications.message import Links
from bot.protocols.addresses import Address
from bot.protocols.outgoing import Outgoing
from store.engine.transaction import Store
from store.tables.protocols import AgentEndpointRow, EndpointDeliveryRow


@dataclass(frozen=True)
class Reply:
    """What the function of a plug-in returned, or why it returned nothing."""

    value: Any = None
    failure: str | None = None


class PluginProtocols(Protocol):
    """The protocols that plug-ins add, which stand above this room."""

    async def deliver(self, installation_id: int, name: str, delivery: dict[str, Any]) -> Reply:
        """Call the function of the protocol `PLUGIN__PROTOCOL`. What goes wrong is a value."""


class Calls(Protocol):
    """The operations, as the agent may call them."""

    async def call(
        self, actor: Actor, operation: str, arguments: dict[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        """Call an operation on behalf of an agent. Raise Refused."""

    async def answer(
        self, actor: Actor, operation: str, arguments: dict[str, Any], key: str | None = None
    ) -> str:
        """The same for a model: the text of the answer. Raise Refused."""

    def tools(self, actor: Actor) -> list[dict[str, Any]]:
        """Those that the agent may call: name, description and schema of the arguments."""


@dataclass(frozen=True)
class Link:
    """`public_url`: the address of this server, for agents that call it."""

    store: Store
    keys: Keys
    calls: Calls
    outgoing: Outgoing = field(default_factory=Outgoing)
    public_url: str = ""
    links: Links = field(default_factory=Links)
    plugins: PluginProtocols | None = None
    # For tests: a process that dies here has sent and not recorded it.
    after_send: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Delivery:
    """`keep`: call it at least every 30 seconds. False: stop, another process has it."""

    row: EndpointDeliveryRow
    endpoint: AgentEndpointRow
    address: Address
    actor: Actor
    # Microseconds UTC, when the attempt began.
    now: int
    keep: Callable[[], Awaitable[bool]]

    @property
    def key(self) -> str:
        """The same for each attempt, for request keys and for the other side."""
        return self.row["id"]
