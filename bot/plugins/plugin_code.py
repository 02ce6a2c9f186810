"""The code of a plug-in, ready to be called."""

import asyncio
import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import pluggy

from bot.kernel.plugin_calls import HookCall, HookName, PluginResult
from bot.plugins import loading, sandbox, stored_packages, trusted
from bot.plugins.installed import Installed
from bot.plugins.manifest import Manifest
from bot.plugins.mcp_handlers import McpHandlers
from bot.plugins.package import Package, WrongPackage
from bot.plugins.sandbox.contract import Code, Host, Limits, PluginCall
from store.engine.transaction import Store

TIMEOUTS_S: dict[HookName, float] = {
    "operation": 30.0,
    "event": 10.0,
    "card_lines": 5.0,
    "strategy": 5.0,
    "protocol": 30.0,
    "panel": 5.0,
}
LOAD_S = 10.0
Loaded: TypeAlias = pluggy.PluginManager | Code | McpHandlers


async def load(store: Store, installed: Installed) -> Loaded:
    """The code of a plug-in, ready to be called. Raise WrongPackage."""
    row, manifest = installed.row, installed.manifest
    if row["source"] == "distribution":
        former = row["former"]["digest"] if row["former"] else None
        return await load_distribution(manifest, row["name"], row["digest"], former)
    package = await stored_packages.package_of(store, row["digest"])
    return await load_package(package)


async def load_distribution(
    manifest: Manifest, name: str, digest: str, former: str | None = None
) -> Loaded:
    """Raise WrongPackage."""
    return await trusted.load(
        lambda: _with_check(manifest, loading.from_distribution(name, digest, former)), LOAD_S
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


async def run(
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
