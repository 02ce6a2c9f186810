"""Runs a plug-in for its author's tests: on a new database, with agents, without GitHub.

Authors import it from `hubbub.testing`.
"""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import OPERATOR, Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.kernel.outside import Outside
from bot.plugins import events, installing, package
from bot.plugins.manifest import Manifest
from bot.plugins.running import Plugins
from bot.workflows import effects
from store import events as event_log
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store
from store.tables.agents import Role

INSTALLATION = 1


class Harness:
    """A plug-in that is installed and turned on. `store`: for what is missing here."""

    def __init__(
        self, store: Store, dispatcher: Dispatcher, plugins: Plugins, manifest: Manifest
    ) -> None:
        self.store = store
        self.dispatcher = dispatcher
        self.plugins = plugins
        self.manifest = manifest
        self.person = Actor(INSTALLATION, OPERATOR, "tech-lead")

    async def call(self, operation: str, **arguments: Any) -> Any:
        """The result of an operation of the plug-in. Raise Refused."""
        name = self.manifest.full_name(operation)
        return (await self.dispatcher.call(self.person, name, arguments))["result"]

    async def hubbub(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation of Hubbub, as a person who leads. Raise Refused."""
        return await self.dispatcher.call(self.person, operation, arguments)

    async def agent(self, agent_id: str, role: Role = "developer") -> Actor:
        """A registered agent, to call operations with by `call_as`."""
        actor = Actor(INSTALLATION, agent_id, role)
        await self.call_as(actor, "register_agent", agent_id=agent_id, name=agent_id)
        return actor

    async def call_as(self, actor: Actor, operation: str, **arguments: Any) -> dict[str, Any]:
        return await self.dispatcher.call(actor, operation, arguments)

    async def panel(self, name: str) -> str:
        """A panel in Markdown."""
        given = {"plugin": self.manifest.name, "panel": name}
        return str((await self.hubbub("get_plugin", **given))["panel"])

    async def event(self, kind: str, subject: str, **data: Any) -> None:
        """Record an event, and wait until the plug-in has handled all of them."""
        await self.store.write(
            lambda tx: event_log.append(tx, INSTALLATION, kind, subject, "ada", data)
        )
        while await events.step(self.store, self.plugins):
            pass


@asynccontextmanager
async def open_harness(
    folder: Path, settings: Mapping[str, Any] | None = None, role: Role | None = None
) -> AsyncIterator[Harness]:
    """The plug-in in a folder, installed and turned on with these settings."""
    found = package.read(folder)
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{place}/test.db"
        await asyncio.to_thread(upgrade, url)
        store = await open_store(url, before_commit=effects.follow)
        try:
            keys = Keys(secrets.token_hex(32))
            plugins = Plugins(store, keys)
            dispatcher = Dispatcher(store, Shared(keys, outside=Outside(plugins=plugins)))
            made = Harness(store, dispatcher, plugins, found.manifest)
            candidate = installing.of_package(found)
            await installing.install(store, candidate, "test", unsigned=True, update=False)
            given: dict[str, Any] = {"plugin": found.manifest.name, "action": "enable"}
            given |= {"settings": dict(settings)} if settings else {}
            given |= {"role": role} if role else {}
            await made.hubbub("manage_plugin", **given)
            yield made
        finally:
            await store.close()
