"""A plug-in that is installed, as this process knows it, and who acts when it works."""

from dataclasses import dataclass

from bot.identity.actors import PLUGIN, Actor
from bot.plugins import stored_manifests, uses
from bot.plugins.manifest import Manifest
from bot.plugins.package import WrongPackage
from store.tables.plugins import PluginInstallationRow, PluginRow


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


def check_runs(installed: Installed | None) -> Installed:
    """Raise WrongPackage if it was removed or stopped, also if this process has its code."""
    if installed is None:
        raise WrongPackage("It is not installed any more.")
    if installed.row["state"] != "installed":
        raise WrongPackage(installed.row["why"] or "The operator stopped it.")
    return installed
