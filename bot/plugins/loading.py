"""Loads trusted plug-ins, in Python, into this process: at their first use, and after a change."""

import atexit
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from bot.plugins import distributions
from bot.plugins.hooks import PROJECT, Hooks
from bot.plugins.manifest import Manifest
from bot.plugins.package import Package, WrongPackage


class ChangedFiles(WrongPackage):
    """The files are not those that the operator installed: no server may run them."""


class NotHere(WrongPackage):
    """This server has no such version: during an update, that is no fault of the plug-in."""


def from_distribution(name: str, digest: str, former: str | None) -> pluggy.PluginManager:
    """The plug-in in the Python environment. Raise WrongPackage if its files were changed.

    `former`: the digest of the version before, which a server may still have.
    """
    found = distributions.entry_point(name)
    if found is None or found.dist is None:
        raise NotHere("Its distribution is not in the Python environment of this server.")
    here = distributions.digest_of(found.dist)
    if here == former != digest:
        raise NotHere("This server still has the version before. Update its distribution here.")
    if here != digest:
        raise ChangedFiles(
            "The files of its distribution are not those that were installed. If that is right, "
            f"run `hubbub plugin update {name}`."
        )
    _forget(found.module.partition(".")[0])
    invalidate_caches()
    return _manager(name, found.load)


def from_package(package: Package) -> pluggy.PluginManager:
    """The plug-in of a package, under a module name that no other version has."""
    manifest = package.manifest
    module, _, attribute = manifest.entry.partition(":")
    parent = f"hubbub_plugin_{manifest.name.replace('-', '_')}_{package.digest[:16]}"
    if parent not in sys.modules:
        made = ModuleType(parent)
        made.__path__ = [str(_write_files(package.files))]
        sys.modules[parent] = made

    def load() -> Any:
        found = import_module(f"{parent}.{module}")
        return getattr(found, attribute) if attribute else found

    return _manager(manifest.name, load)


def _write_files(files: Mapping[str, bytes]) -> Path:
    """A folder that is there as long as this process: code may import a module at any time."""
    folder = Path(tempfile.mkdtemp(prefix="hubbub-plugin-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def _forget(package: str) -> None:
    """Let the next import read the files again."""
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        del sys.modules[name]


def _manager(name: str, load: Any) -> pluggy.PluginManager:
    """Its hooks. Raise WrongPackage if it cannot be imported, or implements no hook rightly."""
    made = pluggy.PluginManager(PROJECT)
    made.add_hookspecs(Hooks)
    try:
        made.register(load(), name)
        made.check_pending()
    except Exception as exc:  # whatever the code of others raises
        raise WrongPackage(f"It cannot be loaded: {type(exc).__name__}: {exc}"[:500]) from exc
    return made


def check_complete(manifest: Manifest, manager: pluggy.PluginManager) -> None:
    """Raise WrongPackage unless the code has what the manifest adds."""
    hook, adds = manager.hook, manifest.adds
    for what in ("operations", "strategies", "protocols", "panels"):
        named = {each.name for each in getattr(adds, what)}
        try:
            found = {name for each in getattr(hook, what)() for name in each}
        except Exception as exc:  # whatever the code of others raises
            raise WrongPackage(f"{what}() raises {type(exc).__name__}: {exc}"[:500]) from exc
        if missing := sorted(named - found):
            raise WrongPackage(f"The manifest adds {what} that the code lacks: {missing}.")
        if more := sorted(found - named):
            raise WrongPackage(f"The code has {what} that the manifest lacks: {more}.")
    for is_named, implementation, name in (
        (bool(adds.events), hook.on_event, "on_event"),
        (adds.card_lines, hook.card_lines, "card_lines"),
    ):
        if is_named and not implementation.get_hookimpls():
            raise WrongPackage(f"The manifest needs the hook {name}, which the code lacks.")
