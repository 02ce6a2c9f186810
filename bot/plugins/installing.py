"""Installs, updates and removes plug-ins of a server.

The parts of a package are stored first. Then one transaction changes the row of the plug-in, so a
process that is killed leaves either the old version or the new one.
"""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

from pydantic import ValidationError

from bot.plugins import compatibility, distributions, signatures
from bot.plugins.manifest import Kind, Manifest
from bot.plugins.package import Package, WrongPackage, pack, unpack
from bot.plugins.signatures import Trust
from bot.times import MINUTE
from store.engine.transaction import Store, Tx
from store.plugins import plugin_installations, plugins
from store.tables.plugins import PluginRow, PluginSource

# A row of the database must fit into a packet.
PART = 512 * 1024
# How long a package stays that no plug-in has: another process may be about to install it.
KEPT = 60 * MINUTE
LATEST = 2**62
# What an update keeps of the version before.
FORMER = ("version", "source", "digest", "manifest", "signed_by")


@dataclass(frozen=True)
class Vouch:
    """A registry whose signed index names the package, and its publisher's key there."""

    registry: str
    key: str | None


@dataclass(frozen=True)
class Candidate:
    """What can be installed. `digest`: of a package, or of all files of a distribution."""

    package: Package
    source: PluginSource
    digest: str
    vouch: Vouch | None = None

    @property
    def manifest(self) -> Manifest:
        return self.package.manifest


def of_package(package: Package, vouch: Vouch | None = None) -> Candidate:
    return Candidate(package, "package", package.digest, vouch)


def of_distribution(name: str) -> Candidate:
    """The plug-in in the Python environment. Raise WrongPackage."""
    found = distributions.distribution(name)
    if found is None:
        raise WrongPackage(
            f"{name} is no folder here, no package, and no distribution in this Python environment "
            f"with an entry point {name} in the group {distributions.GROUP}. This server reads no "
            "registry; `hubbub plugin registry add` adds one."
        )
    package = distributions.package_of(found)
    if package.manifest.name != name:
        raise WrongPackage(f"Its manifest has the name {package.manifest.name}, not {name}.")
    return Candidate(package, "distribution", distributions.digest_of(found))


async def trust_of(tx: Tx) -> Trust:
    rows = await plugins.trust_rows(tx)
    publishers: dict[str, frozenset[str]] = {}
    for row in rows:
        if row["kind"] == "publisher":
            before = publishers.get(row["detail"], frozenset())
            publishers[row["detail"]] = before | {row["subject"]}
    revoked = {row["subject"]: row["detail"] for row in rows if row["kind"] == "revoked"}
    return Trust(publishers, revoked)


async def check(tx: Tx, candidate: Candidate, *, unsigned: bool, update: bool) -> str | None:
    """The key that signed it. Raise WrongPackage unless it may be installed."""
    manifest = candidate.manifest
    trust = await trust_of(tx)
    # Of a distribution it is another one than that of its package.
    signatures.check_revoked(candidate.digest, trust)
    key = signatures.verify(candidate.package, _with_vouch(trust, candidate))
    if key is None and not unsigned and not _is_vouched(trust, candidate):
        raise WrongPackage(
            f"{candidate.manifest.name} {candidate.manifest.version} is not signed. If you know "
            "where it comes from, pass --unsigned to install it."
        )
    rows = {row["name"]: row for row in await plugins.all_of(tx)}
    known = {name: manifest_of(row) for name, row in rows.items()}
    if wrong := compatibility.problems(manifest, known):
        raise WrongPackage("\n".join(wrong))
    _check_row(rows.get(manifest.name), manifest, update=update)
    return key


def _with_vouch(trust: Trust, candidate: Candidate) -> Trust:
    """A registry names keys only of publishers for whom the operator pinned none."""
    publisher, vouch = candidate.manifest.publisher, candidate.vouch
    if vouch is None or vouch.key is None or trust.publishers.get(publisher):
        return trust
    publishers = {**trust.publishers, publisher: frozenset({vouch.key})}
    return replace(trust, publishers=publishers)


def _is_vouched(trust: Trust, candidate: Candidate) -> bool:
    """Whether a registry stands in for a signature, which an operator's pin would demand."""
    return candidate.vouch is not None and not trust.publishers.get(candidate.manifest.publisher)


def _check_row(row: PluginRow | None, manifest: Manifest, *, update: bool) -> None:
    name = manifest.name
    if row is None and update:
        raise WrongPackage(f"{name} is not installed. Use `hubbub plugin install`.")
    if row is not None and not update:
        raise WrongPackage(f"{name} {row['version']} is installed. Use `hubbub plugin update`.")
    if row is not None and manifest_of(row).publisher != manifest.publisher:
        was = manifest_of(row).publisher
        raise WrongPackage(
            f"The installed {name} is of {was}, this one of {manifest.publisher}. Remove the "
            "installed one first, if that is right."
        )


def manifest_of(row: PluginRow) -> Manifest:
    """What the plug-in says of itself; only its name if this version does not accept that."""
    try:
        return Manifest.model_validate(row["manifest"])
    except ValidationError:
        return _empty_manifest(row)


def why_not_accepted(row: PluginRow) -> str | None:
    """Why this version of Hubbub does not accept the manifest, which a former one did."""
    try:
        Manifest.model_validate(row["manifest"])
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        return (
            f"This version of Hubbub does not accept the manifest of {row['name']} "
            f"{row['version']}: {place[:60]}: {first['msg'][:90]}. The operator has to update it."
        )
    return None


def _empty_manifest(row: PluginRow) -> Manifest:
    """It adds nothing and may do nothing."""
    stored = row["manifest"]
    kind = stored.get("kind")
    return Manifest.model_construct(
        name=row["name"],
        version=row["version"],
        description=str(stored.get("description", "")),
        publisher=str(stored.get("publisher", "")),
        licence="",
        hubbub="",
        kind=kind if kind in get_args(Kind) else "process",
        entry="",
    )


async def install(
    store: Store, candidate: Candidate, by: str, *, unsigned: bool, update: bool
) -> PluginRow:
    """Raise WrongPackage. Nothing is changed then."""
    await store.read(lambda tx: check(tx, candidate, unsigned=unsigned, update=update))
    if candidate.source == "package":
        await _store_parts(store, candidate.package)

    async def switch(tx: Tx) -> PluginRow:
        key = await check(tx, candidate, unsigned=unsigned, update=update)
        row = await _row(tx, candidate, key, by)
        await plugins.put(tx, row)
        return row

    made = await store.write(switch)
    await _drop_unused_parts(store)
    return made


async def _row(tx: Tx, candidate: Candidate, key: str | None, by: str) -> PluginRow:
    now = await tx.now()
    before = await plugins.get(tx, candidate.manifest.name)
    return {
        "installation_id": plugins.SERVER,
        "name": candidate.manifest.name,
        "version": candidate.manifest.version,
        "source": candidate.source,
        "digest": candidate.digest,
        "manifest": candidate.manifest.model_dump(mode="json"),
        "signed_by": key,
        "state": "installed",
        "why": None,
        "former": _former(before, candidate.digest),
        "revision": max(now, before["revision"] + 1 if before else 0),
        "installed_by": by[:120],
        "installed_at": before["installed_at"] if before else now,
        "updated_at": now,
    }


def _former(before: PluginRow | None, digest: str) -> dict[str, Any] | None:
    if before is None or before["digest"] == digest:
        return before and before["former"]
    return {name: before[name] for name in FORMER}  # type: ignore[literal-required]


async def roll_back(store: Store, name: str) -> PluginRow:
    """Return to the version before the last update. Raise WrongPackage."""

    async def switch(tx: Tx) -> PluginRow:
        row = await plugins.get(tx, name)
        if row is None or row["former"] is None:
            raise WrongPackage(f"Hubbub has no former version of {name}.")
        now = await tx.now()
        current = {each: row[each] for each in FORMER}  # type: ignore[literal-required]
        row.update(row["former"])
        row["former"], row["state"], row["why"] = current, "installed", None
        trust = await trust_of(tx)
        for subject in (row["digest"], row["signed_by"], f"{name}@{row['version']}"):
            signatures.check_revoked(subject or "", trust)
        row["revision"], row["updated_at"] = max(now, row["revision"] + 1), now
        if why := why_not_accepted(row):
            raise WrongPackage(why)
        others = {each["name"]: manifest_of(each) for each in await plugins.all_of(tx)}
        if wrong := compatibility.problems(manifest_of(row), others):
            raise WrongPackage("\n".join(wrong))
        await plugins.put(tx, row)
        return row

    return await store.write(switch)


async def remove(store: Store, name: str) -> None:
    """Raise WrongPackage."""

    async def work(tx: Tx) -> None:
        if await plugins.get(tx, name) is None:
            raise WrongPackage(f"No plug-in {name} is installed.")
        others = {row["name"]: manifest_of(row) for row in await plugins.all_of(tx)}
        if needed_by := compatibility.dependents(name, others):
            raise WrongPackage(f"{', '.join(needed_by)} needs {name}. Remove that first.")
        await plugins.remove(tx, name)
        await plugin_installations.remove(tx, name)

    await store.write(work)
    await _drop_unused_parts(store)


async def stop_revoked(tx: Tx) -> list[str]:
    """Stop each plug-in that was revoked after it was installed. Return their names."""
    trust, stopped = await trust_of(tx), []
    for row in await plugins.all_of(tx):
        for subject in _subjects(row):
            why = trust.revoked.get(subject or "")
            words = f"It is revoked: {why}"
            if why and await plugins.stop(tx, row["name"], row["digest"], words):
                await plugin_installations.turn_off_everywhere(tx, row["name"], words)
                stopped.append(row["name"])
    return stopped


async def resume_lifted(tx: Tx) -> None:
    """Have those run again that nothing revokes any more. People turn them on where they want."""
    trust = await trust_of(tx)
    for row in await plugins.all_of(tx):
        if row["state"] == "stopped" and not trust.revoked.keys() & set(_subjects(row)):
            await plugins.resume(tx, row["name"], row["digest"])


def _subjects(row: PluginRow) -> tuple[str | None, ...]:
    """By any of them it may be revoked."""
    return row["digest"], row["signed_by"], f"{row['name']}@{row['version']}"


# --- Packages in the database --------------------------------------------------------------------


async def _store_parts(store: Store, package: Package) -> None:
    """Store a package, and read it again: a process that was killed may have left other parts."""
    await _put_parts(store, package)
    try:
        await package_of(store, package.digest)
    except WrongPackage:
        await store.write(lambda tx: plugins.remove_parts(tx, package.digest, LATEST))
        await _put_parts(store, package)
        await package_of(store, package.digest)


async def _put_parts(store: Store, package: Package) -> None:
    data = pack(replace(package, signature=None))
    for n in range(0, len(data), PART):
        await store.write(partial(_put_part, package.digest, n // PART, data[n : n + PART]))


async def _put_part(digest: str, number: int, data: bytes, tx: Tx) -> None:
    await plugins.put_part(tx, digest, number, data)


async def package_of(store: Store, digest: str) -> Package:
    """A package of the database. Raise WrongPackage if it is not there, or was changed."""
    data, number = bytearray(), 0
    while piece := await store.read(partial(_part, digest, number)):
        data += piece
        number += 1
    if not data:
        raise WrongPackage("Its package is not in the database. Install it again.")
    # It takes seconds if the package is large.
    found = await asyncio.to_thread(unpack, bytes(data))
    if found.digest != digest:
        raise WrongPackage("Its package in the database is not the one that was installed.")
    return found


async def _part(digest: str, number: int, tx: Tx) -> bytes | None:
    return await plugins.part(tx, digest, number)


async def _drop_unused_parts(store: Store) -> None:
    """Remove packages that no plug-in has. One that is being stored now stays."""

    async def work(tx: Tx) -> None:
        rows, now = await plugins.all_of(tx), await tx.now()
        used = {row["digest"] for row in rows}
        used |= {row["former"]["digest"] for row in rows if row["former"]}
        for digest in await plugins.digests(tx):
            if digest not in used:
                await plugins.remove_parts(tx, digest, now - KEPT)

    await store.write(work)
