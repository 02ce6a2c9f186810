"""Plug-ins that are Python distributions in the environment of the server, by entry points.

Nothing of a distribution is imported here: its manifest and the list of its files are enough.
"""

import hashlib
from importlib import metadata
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

from bot.plugins.manifest import FILE
from bot.plugins.package import SIGNATURE, Package, WrongPackage, of_folder

GROUP = "hubbub.plugins"
# What the installer writes, which differs from machine to machine.
OF_INSTALLER = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


def entry_point(name: str) -> EntryPoint | None:
    """The entry point of a plug-in."""
    return next(iter(metadata.entry_points(group=GROUP, name=name)), None)


def distribution(name: str) -> Distribution | None:
    found = entry_point(name)
    return found.dist if found else None


def package_of(found: Distribution) -> Package:
    """What the folder with its manifest holds, which its publisher signs. Raise WrongPackage."""
    manifests = [each for each in found.files or () if each.name == FILE]
    if len(manifests) != 1:
        raise WrongPackage(f"{found.name} must have one file {FILE} beside its modules.")
    package = of_folder(Path(str(found.locate_file(manifests[0].parent))))
    if package.manifest.kind != "python":
        raise WrongPackage(f"{FILE}: kind: must be python, because it is a distribution.")
    if package.signature is not None and (others := _others(found, manifests[0].parent.as_posix())):
        raise WrongPackage(
            f"{SIGNATURE} does not cover {others[0]}, which lies outside of the plug-in's folder."
        )
    return package


def _others(found: Distribution, folder: str) -> list[str]:
    """Its files that are not in the folder."""
    return [
        path
        for path in _paths(found)
        if not path.startswith(f"{folder}/") and ".dist-info/" not in path
    ]


def _paths(found: Distribution) -> list[str]:
    return sorted(
        each.as_posix()
        for each in found.files or ()
        if each.suffix != ".pyc" and each.name not in OF_INSTALLER
    )


def digest_of(found: Distribution) -> str:
    """The digest of all of its files as they are now. A file that is gone changes it."""
    made = hashlib.sha256()
    for path in _paths(found):
        file = Path(str(found.locate_file(path)))
        content = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "gone"
        made.update(f"{content}  {path}\n".encode())
    return made.hexdigest()
