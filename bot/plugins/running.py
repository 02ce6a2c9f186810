"""The plug-ins of this process: which are installed, and calls of their hooks."""

import asyncio
import io
import zipfile
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import pluggy
import structlog

from bot.errors import Refused
from bot.identity.actors import PLUGIN, Actor
from bot.identity.keyring import Broken, Keys
from bot.kernel.fair_turns import Turns
from bot.plugins import (
    loading,
    sandbox,
    stored_manifests,
    stored_packages,
    trusted,
    uses,
    values,
)
from bot.plugins.hooks import HookCall, HookName
from bot.plugins.manifest import Manifest
from bot.plugins.mcp_handlers import McpHandlers
from bot.plugins.package import Package, WrongPackage
from bot.plugins.requests import Requests
from bot.plugins.sandbox.contract import (
    Code,
    Failure,
    Host,
    Limits,
    PluginCall,
    PluginResult,
)
from store.engine.transaction import Store, Tx
from store.plugins import plugin_installations, plugins
from store.tables.plugins import PluginInstallationRow, PluginRow

log = structlog.get_logger()
TIMEOUTS_S: dict[HookName, float] = {
    "operation": 30.0,
    "event": 10.0,
    "card_lines": 5.0,
    "strategy": 5.0,
    "protocol": 30.0,
    "panel": 5.0,
}
LOAD_S = 10.0
# Failures one after the other, after which a plug-in is turned off for the installation.
MOST_FAILURES = 5
# Calls at the same time in this process: of one plug-in, and of all in the sandbox. The second
# number is for one installation.
MOST_CALLS, MOST_IN_SANDBOX = (8, 4), (sandbox.MOST_AT_ONCE, 2)

# Calls an operation as an actor.
CallOperation: TypeAlias = Callable[[Actor, str, Any], Awaitable[dict[str, Any]]]
Fetch: TypeAlias = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
Loaded: TypeAlias = pluggy.PluginManager | Code | McpHandlers
_depth: ContextVar[int] = ContextVar("depth of calls of plug-ins", default=0)


@dataclass(frozen=True)
class Installed:
    """A plug-in that this process knows."""

    row: PluginRow
    manifest: Manifest

    @classmethod
    def of(cls, row: PluginRow) -> "Installed":
        """One whose manifest this version does not accept is stopped, and others go on."""
        why = stored_manifests.why_not_accepted(row)
        if why is not None:
            row = {**row, "state": "stopped", "why": why}
        return cls(row, stored_manifests.manifest_of(row))

    @property
    def name(self) -> str:
        return self.manifest.name


def actor_of(
    installed: Installed, use: PluginInstallationRow, caller: Actor | None = None
) -> Actor:
    """Who acts when the plug-in calls an operation: for a caller, where that one may look."""
    role = uses.lower(installed.manifest.permissions.role, use["role"])
    within = caller.repositories if caller else None
    return Actor(use["installation_id"], PLUGIN + installed.name, role, within)


class BoundHost:
    """What one plug-in may do in one installation."""

    def __init__(
        self,
        installed: Installed,
        actor: Actor,
        call_operation: CallOperation | None,
        requests: Requests,
        own: values.Values,
    ) -> None:
        self._installed = installed
        self._actor = actor
        self._call_operation = call_operation
        self._values = own
        # It is called from another thread, which does not have the context of this call.
        self._depth = _depth.get()
        hosts = installed.manifest.permissions.hosts
        self.fetch: Fetch | None = partial(requests.fetch, frozenset(hosts)) if hosts else None

    async def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raise Refused."""
        if operation in values.CALLS:
            return await values.call(self._values, operation, arguments)
        if operation not in self._installed.manifest.permissions.operations:
            raise Refused(
                "forbidden",
                f"The manifest of {self._installed.name} does not name {operation} in "
                "permissions.operations.",
            )
        if self._call_operation is None:
            raise Refused("plugin_failed", "This process runs no operations.")
        if self._depth >= sandbox.DEEPEST:
            raise Refused(
                "plugin_failed", f"Plug-ins called each other {sandbox.DEEPEST} times in a row."
            )
        before = _depth.set(self._depth + 1)
        try:
            return await self._call_operation(self._actor, operation, arguments)
        finally:
            _depth.reset(before)


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
        installed: Installed,
        use: PluginInstallationRow,
        call: HookCall,
        caller: Actor | None = None,
    ) -> PluginResult:
        """Call a hook, for a caller if there is one.

        What goes wrong is a value, and is not counted here.
        """
        try:
            settings = uses.with_defaults(installed.manifest, uses.settings_of(self.keys, use))
            check_runs(await self.find(installed.name))
            loaded = await self.load(installed)
        except WrongPackage as exc:
            await self._stop_if_changed(installed, exc)
            return PluginResult(failure=Failure("refused", str(exc)))
        except Broken:
            text = "Its settings cannot be decrypted. Turn it on again with its settings."
            return PluginResult(failure=Failure("refused", text))
        own = values.Values(self.store, self.keys, use["installation_id"], installed.name)
        actor = actor_of(installed, use, caller)
        host = BoundHost(installed, actor, self.call_operation, self._requests, own)
        async with self._turn(installed, loaded, use["installation_id"]):
            return await _run(loaded, call, settings, host)

    def _turn(
        self, installed: Installed, loaded: Loaded, installation_id: int
    ) -> AbstractAsyncContextManager[None]:
        """Wait for a place. A call by another call needs none: that one waits for it in its own."""
        if _depth.get():
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
                self._loaded[key] = await load(self.store, installed)
        return self._loaded[key]

    async def _stop_if_changed(self, installed: Installed, why: WrongPackage) -> None:
        """Files that are not those that the operator installed must not run in any process."""
        row = installed.row
        log.warning("plug-in not loaded", plugin=installed.name, why=str(why))
        if row["source"] == "distribution":
            await self.store.write(
                lambda tx: plugins.stop(tx, row["name"], row["digest"], str(why))
            )


def check_runs(installed: Installed | None) -> None:
    """Raise WrongPackage if it was removed or stopped, also if this process has its code."""
    if installed is None:
        raise WrongPackage("It is not installed any more.")
    if installed.row["state"] != "installed":
        raise WrongPackage(installed.row["why"] or "The operator stopped it.")


async def load(store: Store, installed: Installed) -> Loaded:
    """The code of a plug-in, ready to be called. Raise WrongPackage."""
    row, manifest = installed.row, installed.manifest
    if row["source"] == "distribution":
        return await load_distribution(manifest, row["name"], row["digest"])
    package = await stored_packages.package_of(store, row["digest"])
    return await load_package(package)


async def load_distribution(manifest: Manifest, name: str, digest: str) -> Loaded:
    """Raise WrongPackage."""
    return await trusted.load(
        lambda: _with_check(manifest, loading.from_distribution(name, digest)), LOAD_S
    )


async def load_package(package: Package) -> Loaded:
    """Raise WrongPackage."""
    manifest = package.manifest
    if manifest.kind == "python":
        return await trusted.load(
            lambda: _with_check(manifest, loading.from_package(package)), LOAD_S
        )
    if manifest.kind in ("mcp", "probot"):
        # A server of others does the work. Of `probot` there is nothing to call.
        return McpHandlers(manifest)
    if manifest.kind == "wasm":
        return Code.of("wasm", package.files[manifest.entry])
    # It takes seconds if the package is large.
    return Code.of("process", await asyncio.to_thread(_as_zip, package), manifest.entry)


def _with_check(manifest: Manifest, manager: pluggy.PluginManager) -> pluggy.PluginManager:
    loading.check_complete(manifest, manager)
    return manager


def _as_zip(package: Package) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(package.files.items()):
            archive.writestr(zipfile.ZipInfo(path), data)
    return made.getvalue()


async def _run(
    loaded: Loaded, call: HookCall, settings: Mapping[str, Any], host: Host
) -> PluginResult:
    timeout_s = TIMEOUTS_S[call.hook]
    if isinstance(loaded, pluggy.PluginManager):
        return await trusted.run(loaded, call, settings, host, timeout_s)
    if isinstance(loaded, McpHandlers):
        return await loaded.run(call, host, timeout_s)
    given = PluginCall(call.hook, call.name, call.arguments, settings)
    limits = replace(Limits(), wall_s=timeout_s)
    return await sandbox.run(loaded, given, limits, host)


async def try_package(package: Package) -> None:
    """Load it, and compile what is to be compiled, which takes seconds. Raise WrongPackage."""
    loaded = await load_package(package)
    if not isinstance(loaded, Code):
        return
    failure = await sandbox.prepare(loaded)
    if failure is not None and failure.kind != "missing_runtime":
        raise WrongPackage(failure.text)


# --- How calls end -------------------------------------------------------------------------------


async def count(tx: Tx, use: PluginInstallationRow, result: PluginResult) -> bool:
    """Count how a call ended. Return whether it turned the plug-in off.

    That a plug-in refuses a call in its own words is no failure of it.
    """
    here = (tx, use["installation_id"], use["plugin"])
    if result.failure is None or result.failure.kind == "error":
        if use["failures"]:
            await plugin_installations.count_success(*here)
        return False
    return await plugin_installations.count_failure(*here, result.failure.text, MOST_FAILURES)
