"""The plug-ins of this process: which are installed, and calls of their hooks."""

import asyncio
from collections import defaultdict
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

import structlog

from bot.identity.actors import Actor
from bot.identity.keyring import Broken, Keys
from bot.kernel.fair_turns import Turns
from bot.kernel.outside import Outside
from bot.kernel.plugin_calls import Failure, HookCall, PluginResult
from bot.plugins import plugin_code, sandbox, stored_manifests, uses, values
from bot.plugins.bound_host import BoundHost, CallOperation, depth
from bot.plugins.installed import Installed, actor_of, check_runs
from bot.plugins.loading import ChangedFiles, NotHere
from bot.plugins.package import WrongPackage
from bot.plugins.plugin_code import Loaded
from bot.plugins.requests import Requests
from bot.plugins.sandbox.contract import Code
from store.engine.transaction import Store
from store.plugins import plugin_installations, plugins
from store.tables.plugins import PluginInstallationRow, PluginRow

log = structlog.get_logger()
# Calls at the same time in this process: of one plug-in, and of all in the sandbox. The second
# number is for one installation.
MOST_CALLS, MOST_IN_SANDBOX = (8, 4), (sandbox.MOST_AT_ONCE, 2)


class Plugins:
    """Reads which plug-ins are installed when it is asked to, and loads each at its first use."""

    def __init__(self, store: Store, keys: Keys, requests: Requests | None = None) -> None:
        self.store = store
        self.keys = keys
        # Set by the dispatcher of this process.
        self.call_operation: CallOperation | None = None
        self._requests = requests or Requests()
        self._installed: dict[str, Installed] = {}
        self._revisions: dict[str, int] | None = None
        self._loaded: dict[tuple[str, str], Loaded] = {}
        # One for each, so that a plug-in that takes long to load holds up no other.
        self._loading: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._turns: dict[str, Turns] = {}
        self._sandbox_turns = Turns(*MOST_IN_SANDBOX)

    async def refresh(self) -> None:
        """Notice what was installed, updated or removed."""
        found = await self.store.read(plugins.revisions)
        if found == self._revisions:
            return
        rows = await self.store.read(plugins.all_of)
        self._installed = {row["name"]: Installed.of(row) for row in rows}
        self._revisions = {row["name"]: row["revision"] for row in rows}
        self._log_not_accepted(rows)
        current = {(row["name"], row["digest"]) for row in rows}
        self._loaded = {key: value for key, value in self._loaded.items() if key in current}
        for key in [key for key in self._loading if key not in current]:
            del self._loading[key]

    def _log_not_accepted(self, rows: list[PluginRow]) -> None:
        """Only say it: a newer process beside this one, as in an update, may accept it."""
        for row in rows:
            if why := stored_manifests.why_not_accepted(row):
                log.warning("plug-in not accepted", plugin=row["name"], why=why)

    async def all_of(self) -> list[Installed]:
        await self.refresh()
        return list(self._installed.values())

    async def find(self, name: str) -> Installed | None:
        await self.refresh()
        return self._installed.get(name)

    async def in_use(self, installation_id: int) -> list[tuple[Installed, PluginInstallationRow]]:
        """The plug-ins that are on for an installation, each with how it is used."""
        await self.refresh()
        if not self._installed:
            return []
        rows = await self.store.read(lambda tx: plugin_installations.all_of(tx, installation_id))
        return [
            (self._installed[row["plugin"]], row)
            for row in rows
            if row["state"] == "on" and row["plugin"] in self._installed
        ]

    async def call(
        self,
        name: str,
        use: PluginInstallationRow,
        call: HookCall,
        caller: Actor | None = None,
    ) -> PluginResult:
        """Call a hook, for a caller if there is one.

        What goes wrong is a value, and is not counted here.
        """
        try:
            installed = check_runs(await self.find(name))
            result = await self._call(installed, use, call, caller)
        except WrongPackage as exc:
            return PluginResult(failure=Failure("refused", str(exc)))
        return replace(result, version=installed.row["digest"])

    async def _call(
        self,
        installed: Installed,
        use: PluginInstallationRow,
        call: HookCall,
        caller: Actor | None,
    ) -> PluginResult:
        """Raise NotHere."""
        try:
            settings = uses.with_defaults(installed.manifest, uses.settings_of(self.keys, use))
            uses.check_complete(installed.manifest, settings)
            loaded = await self.load(installed)
        except NotHere:
            raise
        except WrongPackage as exc:
            log.warning("plug-in not loaded", plugin=installed.name, why=str(exc))
            if isinstance(exc, ChangedFiles):
                await self._stop(installed.row, str(exc))
            return PluginResult(failure=Failure("refused", str(exc)))
        except Broken:
            text = "Its settings cannot be decrypted. Turn it on again with its settings."
            return PluginResult(failure=Failure("refused", text))
        own = values.Values(self.store, self.keys, use["installation_id"], installed.name)
        actor = actor_of(installed, use, caller)
        host = BoundHost(installed, actor, self.call_operation, self._requests, own)
        async with self._turn(installed, loaded, use["installation_id"]):
            return await plugin_code.run(loaded, call, settings, host)

    def _turn(
        self, installed: Installed, loaded: Loaded, installation_id: int
    ) -> AbstractAsyncContextManager[None]:
        """Wait for a place. A call by another call needs none: that one waits for it in its own."""
        if depth.get():
            return nullcontext()
        if isinstance(loaded, Code):
            return self._sandbox_turns.one(installation_id)
        return self._turns.setdefault(installed.name, Turns(*MOST_CALLS)).one(installation_id)

    async def load(self, installed: Installed) -> Loaded:
        """Raise WrongPackage."""
        key = installed.name, installed.row["digest"]
        if key in self._loaded:
            return self._loaded[key]
        async with self._loading[key]:
            if key not in self._loaded:
                self._loaded[key] = await plugin_code.load(self.store, installed)
        return self._loaded[key]

    async def _stop(self, row: PluginRow, why: str) -> None:
        """In all processes."""
        await self.store.write(lambda tx: plugins.stop(tx, row["name"], row["digest"], why))


def plugins_of(outside: Outside) -> Plugins | None:
    """The plug-ins of this process, with all that they can do. None: it runs none."""
    found = outside.plugins
    return found if isinstance(found, Plugins) else None
