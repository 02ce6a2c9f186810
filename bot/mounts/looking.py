"""A look at a server: what it lists now, and what becomes of that in the database."""

from dataclasses import dataclass, replace
from typing import Any

from bot.mounts import credential_trial, health, manifest
from bot.mounts.manifest import Changes, Listing
from bot.tool_servers.connections import ServerSpec, ToolServers, Unavailable
from bot.tool_servers.network import Network
from bot.tool_servers.openapi.document_text import WrongDocument
from bot.tool_servers.openapi.loading import Source, load
from bot.tool_servers.openapi.options import Options
from store.engine.transaction import Tx
from store.mounts import mount_log, mounts
from store.tables.mounts import LogLevel, MountRow

# A look takes at most the time for a connection and for a list.
TIMEOUT_S = 60.0
# Names of tools in one entry of the log.
MOST_NAMES = 20


@dataclass(frozen=True)
class Look:
    """`document`: of an OpenAPI service, if it was read again. `credential`: what is to be said."""

    listing: Listing
    document: Any = None
    credential: str | None = None


async def look(
    servers: ToolServers,
    spec: ServerSpec,
    network: Network,
    source: Source | None = None,
    *,
    tries: bool = False,
) -> Look | Unavailable:
    """Why there is no list, as a value.

    `source`: where the document of a service is. `tries`: the credential of a service too.
    """
    try:
        if source is not None:
            found = await _read_document(network, spec, source)
            filled = replace(spec, document=found.document)
            await servers.list_tools(filled)
            said = await credential_trial.note(servers, filled) if tries else None
            return replace(found, credential=said)
        return Look(manifest.usable_tools(await servers.list_tools(spec)))
    except Unavailable as exc:
        return exc


def source_of(row: MountRow, text: str | None = None) -> Source | None:
    """Where the document is read again. None: it is stored, or there is none."""
    if row["kind"] != "openapi":
        return None
    base = row["options"].get("base_url", "")
    if text is not None:
        return Source(text=text.encode(), base_url=base)
    return Source(address=row["url"], base_url=base) if row["url"] else None


async def _read_document(network: Network, spec: ServerSpec, source: Source) -> Look:
    held = {("header", name.lower()) for name in spec.headers}
    held |= {("query", name) for name in spec.query}
    held |= {("header", "authorization")} if spec.oauth else set()
    options = Options.model_validate(spec.options)
    try:
        found = await load(network, source, options, frozenset(held))
    except WrongDocument as exc:
        raise Unavailable("protocol", f"The document cannot be used: {exc}.") from exc
    listing = manifest.usable_tools([each.spec() for each in found.tools])
    listing.left_out += found.skipped
    return Look(listing, found.model_dump(mode="json"))


async def store_look(
    tx: Tx, installation_id: int, mount_id: str, version: int, found: Look | Unavailable, by: str
) -> Changes | None:
    """Store what a look showed. None: it failed, or the server was changed or removed meanwhile."""
    row = await mounts.lock(tx, installation_id, mount_id)
    if row is None or row["version"] != version:
        return None
    if isinstance(found, Unavailable):
        await health.note_failed_look(tx, row, found)
        return None
    return await store_listing(tx, row, found, by)


async def store_listing(tx: Tx, row: MountRow, found: Look, by: str) -> Changes:
    """`row`: as it is stored, and locked."""
    now = await tx.now()
    changes = await manifest.store_listing(tx, row, found.listing, by, now)
    listed: MountRow = {**row, "manifest_hash": changes.manifest_hash, "listed_at": now}
    if found.document is not None:
        moved = row["document"] not in (None, found.document)
        listed = {**listed, "document": found.document, "version": row["version"] + moved}
    await mounts.replace(tx, listed)
    await health.note_look(tx, listed)
    if not changes.is_empty:
        here = row["installation_id"], row["id"]
        level: LogLevel = "warning" if changes.parked else "info"
        await mount_log.add(tx, *here, now, level, _words(changes))
    if found.listing.left_out and changes.manifest_hash != row["manifest_hash"]:
        text = f"Left out: {'; '.join(found.listing.left_out[:MOST_NAMES])}."
        await mount_log.add(tx, row["installation_id"], row["id"], now, "warning", text)
    return changes


def _words(changes: Changes) -> str:
    parts = [
        ("accepted", changes.accepted),
        ("parked until somebody accepts them", changes.parked),
        ("removed", changes.removed),
        ("back", changes.returned),
    ]
    return (
        "Tools " + "; ".join(f"{words}: {_names(names)}" for words, names in parts if names) + "."
    )


def _names(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    shown = ", ".join(names[:MOST_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown
