"""Finds plug-ins in the registries, and gets their packages."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of

import aiohttp

from bot.errors import Refused
from bot.plugins import package, versions
from bot.plugins.installing import Candidate, Vouch, of_package
from bot.plugins.package import LARGEST_ARCHIVE, WrongPackage
from bot.plugins.registry import looking, places
from bot.plugins.registry.index import IndexedPlugin, IndexedVersion
from bot.plugins.registry.places import Pending
from bot.protocols import outgoing
from bot.protocols.outgoing import Outgoing
from bot.times import SECOND
from store.engine.transaction import Store
from store.plugins import registries
from store.tables.plugins import PluginRegistryRow

# How long a command waits for a running server to read from GitHub.
WAIT_S, PAUSE_S = 60.0, 1.0
DOWNLOAD_S = 60.0


@dataclass(frozen=True)
class Entry:
    """A plug-in of a registry. `expires_at`: when its index does, in microseconds."""

    registry: PluginRegistryRow
    plugin: IndexedPlugin
    expires_at: int

    @property
    def newest(self) -> IndexedVersion | None:
        return self.plugin.newest(version_of("hubbub"))


async def entries(store: Store) -> list[Entry]:
    """The plug-ins of all registries, as they were read last."""
    return entries_of(await store.read(registries.all_of))


def entries_of(rows: Sequence[PluginRegistryRow]) -> list[Entry]:
    return list(_entries(rows))


def _entries(rows: Sequence[PluginRegistryRow]) -> Iterator[Entry]:
    for row in rows:
        found = looking.kept_index(row)
        if found is not None:
            yield from (Entry(row, each, found.expires_at * SECOND) for each in found.plugins)


def fits(entry: Entry, words: str) -> bool:
    """Whether all words are in its name, summary or publisher."""
    text = f"{entry.plugin.name} {entry.plugin.summary} {entry.plugin.publisher}".casefold()
    return all(each in text for each in words.casefold().split())


async def find(store: Store, name: str, registry: str | None = None) -> Entry:
    """Raise WrongPackage."""
    found = [
        each
        for each in await entries(store)
        if each.plugin.name == name and registry in (None, each.registry["place"])
    ]
    if not found:
        raise WrongPackage(f"No registry that was read has a plug-in {name}.")
    if len(found) > 1:
        places_of = ", ".join(each.registry["place"] for each in found)
        raise WrongPackage(f"Several registries have {name}: {places_of}. Pass --from.")
    return found[0]


def choice(entry: Entry, wanted: str | None) -> IndexedVersion:
    """The version to install. Raise WrongPackage."""
    name = entry.plugin.name
    if wanted is None:
        if entry.newest is None:
            raise WrongPackage(f"No version of {name} works with this version of Hubbub.")
        return entry.newest
    try:
        found = entry.plugin.version(wanted)
    except ValueError as exc:
        raise WrongPackage(f"{wanted!r} is no version such as 1.2.3.") from exc
    if found is None:
        known = ", ".join(each.version for each in entry.plugin.versions)
        raise WrongPackage(f"The registry has no {name} {wanted}. It has {known}.")
    if found.revoked:
        raise WrongPackage(f"{name} {wanted} is revoked: {found.revoked}.")
    return found


def is_newer(one: str, other: str) -> bool:
    return versions.parse(one) > versions.parse(other)


async def candidate(
    store: Store, entry: Entry, wanted: IndexedVersion, network: Outgoing
) -> Candidate:
    """The package of a version, if it is the one that the index names. Raise WrongPackage."""
    if entry.expires_at <= await store.read(lambda tx: tx.now()):
        raise WrongPackage(
            f"The index of {entry.registry['place']} has expired, so it may hide what was revoked "
            "since. `hubbub plugin registry refresh` reads a newer one."
        )
    data = await _archive(store, entry, wanted, network)
    if len(data) != wanted.size or hashlib.sha256(data).hexdigest() != wanted.sha256:
        raise WrongPackage(
            f"The archive of {entry.plugin.name} {wanted.version} is not the one that the index "
            "names: its checksum differs. Nothing was installed."
        )
    found = await asyncio.to_thread(package.unpack, data)
    manifest, named = found.manifest, (entry.plugin.name, wanted.version, entry.plugin.publisher)
    if (manifest.name, manifest.version, manifest.publisher) != named:
        raise WrongPackage("The archive has another name, version or publisher than the index.")
    if found.digest != wanted.digest or manifest.permissions != wanted.permissions:
        raise WrongPackage("The archive asks for other permissions than the index shows.")
    return of_package(found, Vouch(entry.registry["place"], entry.plugin.key))


async def _archive(store: Store, entry: Entry, wanted: IndexedVersion, network: Outgoing) -> bytes:
    if wanted.url is not None:
        return await _download(wanted.url, wanted.size, network)
    assert wanted.archive is not None
    row, path = entry.registry, wanted.archive
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    return (await places.read(store, row, {path: wanted.size}))[path]
                except Pending:
                    await asyncio.sleep(PAUSE_S)
    except TimeoutError as exc:
        raise WrongPackage(
            f"GitHub did not give {path} within {WAIT_S:g} s. `hubbub serve` must run."
        ) from exc


async def _download(url: str, size: int, network: Outgoing) -> bytes:
    try:
        async with network.request("GET", url, timeout_s=DOWNLOAD_S) as answer:
            if answer.status != 200:
                raise WrongPackage(f"The address of the archive answered {answer.status}.")
            return await outgoing.read(answer, min(size, LARGEST_ARCHIVE))
    except Refused as exc:
        raise WrongPackage(exc.message) from exc
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
        raise WrongPackage(f"The archive: {outgoing.reason(exc, DOWNLOAD_S)}.") from exc
