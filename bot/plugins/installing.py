"""Installs, updates and removes plug-ins of a server.

The parts of a package are stored first. Then one transaction changes the row of the plug-in, so a
process that is killed leaves either the old version or the new one.
"""

from dataclasses import dataclass, replace
from typing import Any

from bot.plugins import (
    compatibility,
    distributions,
    revoking,
    signatures,
    stored_manifests,
    stored_packages,
    versions,
)
from bot.plugins.manifest import Manifest
from bot.plugins.package import Package, WrongPackage
from bot.plugins.signatures import Trust
from store.engine.transaction import Store, Tx
from store.plugins import plugin_installations, plugins
from store.tables.plugins import PluginRow, PluginSource

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
    digest = distributions.digest_of(found)
    package = distributions.package_of(found)
    if package.manifest.name != name:
        raise WrongPackage(f"Its manifest has the name {package.manifest.name}, not {name}.")
    # What people see must be what is installed.
    if distributions.digest_of(found) != digest:
        raise WrongPackage("Its files changed while they were read. Try again.")
    return Candidate(package, "distribution", digest)


async def check(
    tx: Tx, candidate: Candidate, *, unsigned: bool, update: bool, downgrade: bool = False
) -> str | None:
    """The key that signed it. Raise WrongPackage unless it may be installed."""
    manifest = candidate.manifest
    trust = await revoking.trust_of(tx)
    # Of a distribution it is another one than that of its package.
    signatures.check_revoked(candidate.digest, trust)
    key = signatures.verify(candidate.package, _with_vouch(trust, candidate))
    if key is None and not unsigned and not _is_vouched(trust, candidate):
        raise WrongPackage(
            f"{candidate.manifest.name} {candidate.manifest.version} is not signed. If you know "
            "where it comes from, pass --unsigned to install it."
        )
    if wrong := compatibility.problems(manifest, await stored_manifests.by_name(tx)):
        raise WrongPackage("\n".join(wrong))
    row = await plugins.get(tx, manifest.name)
    _check_row(row, manifest, update=update)
    if not downgrade:
        _check_newer(row, manifest)
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
    if row is not None and stored_manifests.manifest_of(row).publisher != manifest.publisher:
        was = stored_manifests.manifest_of(row).publisher
        raise WrongPackage(
            f"The installed {name} is of {was}, this one of {manifest.publisher}. Remove the "
            "installed one first, if that is right."
        )


def _check_newer(row: PluginRow | None, manifest: Manifest) -> None:
    """An old version is signed too: who shows it in place of a new one brings back its faults."""
    if row is None or versions.parse(manifest.version) >= versions.parse(row["version"]):
        return
    raise WrongPackage(
        f"{manifest.name} {row['version']} is installed, which is newer than {manifest.version}. "
        f"`hubbub plugin rollback {manifest.name}` returns to the version before the last update; "
        "--downgrade installs this one."
    )


async def install(
    store: Store,
    candidate: Candidate,
    by: str,
    *,
    unsigned: bool,
    update: bool,
    downgrade: bool = False,
) -> PluginRow:
    """Raise WrongPackage. Nothing is changed then."""
    terms = {"unsigned": unsigned, "update": update, "downgrade": downgrade}
    await store.read(lambda tx: check(tx, candidate, **terms))
    if candidate.source == "package":
        await stored_packages.put(store, candidate.package)

    async def switch(tx: Tx) -> PluginRow:
        key = await check(tx, candidate, **terms)
        row = await _row(tx, candidate, key, by)
        await _put(tx, row)
        return row

    made = await store.write(switch)
    await stored_packages.drop_unused(store)
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
        trust = await revoking.trust_of(tx)
        for subject in revoking.subjects(row):
            signatures.check_revoked(subject or "", trust)
        row["revision"], row["updated_at"] = max(now, row["revision"] + 1), now
        if why := stored_manifests.why_not_accepted(row):
            raise WrongPackage(why)
        manifest = stored_manifests.manifest_of(row)
        if wrong := compatibility.problems(manifest, await stored_manifests.by_name(tx)):
            raise WrongPackage("\n".join(wrong))
        await _put(tx, row)
        return row

    return await store.write(switch)


async def _put(tx: Tx, row: PluginRow) -> None:
    await plugins.put(tx, row)
    await plugin_installations.forget_failures(tx, row["name"])


async def remove(store: Store, name: str) -> None:
    """Raise WrongPackage."""

    async def work(tx: Tx) -> None:
        row = await plugins.get(tx, name)
        if row is None:
            raise WrongPackage(f"No plug-in {name} is installed.")
        if needed_by := compatibility.dependents(name, await stored_manifests.by_name(tx)):
            raise WrongPackage(f"{', '.join(needed_by)} needs {name}. Remove that first.")
        await revoking.stop_server(tx, row)
        await plugins.remove(tx, name)
        await plugin_installations.remove(tx, name)

    await store.write(work)
    await stored_packages.drop_unused(store)
