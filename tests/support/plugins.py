"""A server with plug-ins, without a GitHub."""

import secrets
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.kernel.outside import Outside
from bot.plugins import installing
from bot.plugins.package import Package
from bot.plugins.requests import Requests
from bot.plugins.running import Plugins
from store.engine.transaction import Store, Tx
from store.plugins import plugins
from store.tables.plugins import PluginRow
from tests.support.office import Office
from tests.support.story import Clock

OPERATOR = "operator"


class PluginOffice(Office):
    """Agents, people and plug-ins."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        installation_id: int,
        requests: Requests | None = None,
    ) -> None:
        super().__init__(store, clock, installation_id)
        keys = Keys(secrets.token_hex(32))
        self.plugins = Plugins(store, keys, requests)
        self.dispatcher = Dispatcher(store, Shared(keys, outside=Outside(plugins=self.plugins)))
        self.person = Actor(installation_id, OPERATOR, "tech-lead")

    async def install(self, package: Package, *, update: bool = False) -> PluginRow:
        return await installing.install(
            self.store,
            installing.of_package(package),
            OPERATOR,
            unsigned=True,
            update=update,
        )

    async def call(self, operation: str, **given: Any) -> dict[str, Any]:
        return await self.dispatcher.call(self.person, operation, given)

    async def refused(self, operation: str, **given: Any) -> str:
        """The code and the words of the refusal."""
        try:
            answer = await self.call(operation, **given)
        except Refused as exc:
            return f"{exc.code}: {exc.message}"
        raise AssertionError(answer)

    async def enable(self, plugin: str, **given: Any) -> dict[str, Any]:
        return await self.call("manage_plugin", plugin=plugin, action="enable", **given)

    async def use(self, package: Package, **given: Any) -> None:
        """Install it and turn it on."""
        await self.install(package)
        await self.enable(package.manifest.name, **given)

    async def clear(self) -> None:
        """On a database that other tests use too."""

        async def work(tx: Tx) -> None:
            for row in await plugins.all_of(tx):
                await plugins.remove(tx, row["name"])

        await self.store.write(work)
