"""`hubbub plugin registry`, `search`, `outdated` and `index build`."""

import time
from pathlib import Path
from typing import Any

from bot.cli import local_origin
from bot.cli.output import say, warn
from bot.cli.plugins import private_key, wrong_settings
from bot.cli.session import Session, open_session
from bot.cli.tables import show_rows
from bot.plugins import signatures
from bot.plugins.installing import Candidate
from bot.plugins.package import WrongPackage
from bot.plugins.registry import building, finding, looking
from bot.plugins.registry.finding import Entry
from bot.plugins.registry.places import Pending
from bot.protocols.outgoing import Outgoing
from bot.settings import Settings, WrongSettings
from bot.times import stamp
from store.audit.records import NO_INSTALLATION
from store.engine.transaction import Tx
from store.plugins import plugins, registries
from store.tables.plugins import PluginRegistryRow, RegistrySource

COLUMNS = ("place", "state", "number", "read_at", "key", "why")
FOUND = ("name", "version", "publisher", "kind", "installed", "registry", "summary")
OUTDATED = ("name", "installed", "newest", "why")


def _place(text: str, *, strict: bool = True) -> tuple[str, RegistrySource]:
    """A folder that exists, or else owner/repository."""
    path = Path(text)
    if path.is_dir():
        return str(path.resolve()), "folder"
    owner, slash, name = text.partition("/")
    if strict and (not (slash and owner and name) or "/" in name or text.startswith(".")):
        raise WrongSettings(f"{text!r} is no folder here, and no OWNER/REPOSITORY.")
    return text, "repository"


async def add(loaded: Settings, text: str, key: str) -> None:
    place, source = _place(text)
    if not signatures.is_public_key(key):
        raise WrongSettings(f"{key!r} is no public key of `hubbub plugin index build`.")
    by = local_origin.of().remote

    async def work(tx: Tx) -> None:
        if len(await registries.all_of(tx)) >= registries.MOST:
            raise WrongSettings(f"There are {registries.MOST} registries. Remove one first.")
        await registries.add(tx, place, source, key, by)
        await local_origin.record(tx, NO_INSTALLATION, "plugin registry add", place, key=key)

    async with open_session(loaded) as session:
        await session.store.write(work)
        say(f"{place} is a registry of this server. Its revocations count from now on.")
        await _read(session, await _row(session, place))


async def _row(session: Session, place: str) -> PluginRegistryRow:
    row = await session.store.read(lambda tx: registries.get(tx, place))
    if row is None:
        raise WrongSettings(f"{place} is no registry of this server.")
    return row


async def _read(session: Session, row: PluginRegistryRow) -> None:
    try:
        found = await looking.look(session.store, row)
    except Pending:
        say("Its index is being read from GitHub by `hubbub serve`.")
    except WrongPackage as exc:
        warn(str(exc))
    else:
        say(f"Its index has the number {found.number}. Plug-ins: {len(found.plugins)}.")
        if found.disclosure:
            say(f"To report a weakness: {found.disclosure}")


async def remove(loaded: Settings, text: str) -> None:
    place, _ = _place(text, strict=False)

    async def work(tx: Tx) -> bool:
        await local_origin.record(tx, NO_INSTALLATION, "plugin registry remove", place)
        return await registries.remove(tx, place)

    async with open_session(loaded) as session:
        if not await session.store.write(work):
            raise WrongSettings(f"{place} is no registry of this server.")
    say(f"{place} is no registry of this server any more. What was installed from it stays.")


async def list_registries(loaded: Settings, *, as_json: bool) -> None:
    async with open_session(loaded) as session:
        rows = await session.store.read(registries.all_of)
    shown: list[dict[str, Any]] = [
        {
            "place": row["place"],
            "state": row["state"],
            "number": row["number"],
            "read_at": stamp(row["read_at"]) if row["read_at"] else None,
            "key": row["signed_by"],
            "why": row["why"],
        }
        for row in rows
    ]
    show_rows(shown, COLUMNS, as_json=as_json, whole=("place", "key"))


async def refresh(loaded: Settings) -> None:
    """Look at all registries now."""
    async with open_session(loaded) as session:
        for row in await session.store.read(registries.all_of):
            say(f"{row['place']}:")
            await _read(session, row)


async def search(loaded: Settings, words: str, *, as_json: bool) -> None:
    async with open_session(loaded) as session:
        entries = await finding.entries(session.store)
        rows = {row["name"]: row for row in await session.store.read(plugins.all_of)}
    if not entries:
        warn("No registry was read yet. `hubbub plugin registry add` adds one.")
    found = [each for each in entries if finding.fits(each, words)]
    shown = [_row_of(each, rows.get(each.plugin.name)) for each in found]
    show_rows(shown, FOUND, as_json=as_json, whole=("name",))


def _row_of(entry: Entry, installed: Any) -> dict[str, Any]:
    newest = entry.newest
    return {
        "name": entry.plugin.name,
        "version": newest.version if newest else None,
        "publisher": entry.plugin.publisher,
        "kind": newest.kind if newest else None,
        "installed": installed["version"] if installed else None,
        "registry": entry.registry["place"],
        "summary": entry.plugin.summary,
    }


async def list_outdated(loaded: Settings, *, as_json: bool) -> None:
    """The installed plug-ins of which a registry has a newer version, or revoked this one."""
    async with open_session(loaded) as session:
        entries = await finding.entries(session.store)
        rows = {row["name"]: row for row in await session.store.read(plugins.all_of)}
    shown = []
    for entry in entries:
        row, newest = rows.get(entry.plugin.name), entry.newest
        if row is None or row["manifest"]["publisher"] != entry.plugin.publisher:
            continue
        here = entry.plugin.version(row["version"])
        newer = newest and finding.is_newer(newest.version, row["version"])
        if newer or (here and here.revoked):
            shown.append(
                {
                    "name": row["name"],
                    "installed": row["version"],
                    "newest": newest.version if newest else None,
                    "why": here and here.revoked,
                }
            )
    show_rows(shown, OUTDATED, as_json=as_json, whole=("name",))


async def candidate(session: Session, what: str, registry: str | None) -> Candidate:
    """The package of NAME or NAME@VERSION in a registry. Raise WrongPackage."""
    name, _, wanted = what.partition("@")
    entry = await finding.find(session.store, name, registry)
    version = finding.choice(entry, wanted or None)
    say(f"{name} {version.version} is in the registry {entry.registry['place']}.")
    network = Outgoing(session.shared.trusted_origins)
    return await finding.candidate(session.store, entry, version, network)


def build(folder: Path, key_file: Path, days: int) -> None:
    with wrong_settings():
        private = private_key(key_file)
        made = building.build(folder, private, int(time.time()), days)
        key = signatures.public_key(private)
    say(f"{folder}: index {made.number}, plug-ins: {len(made.plugins)}, for {days} days.")
    say(f"Others use it after: hubbub plugin registry add OWNER/REPOSITORY {key}")
    say("Instead of OWNER/REPOSITORY, the name of a folder works too, such as a clone.")
