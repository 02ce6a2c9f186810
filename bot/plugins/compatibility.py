"""Whether plug-ins fit Hubbub and each other."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import version

from bot.plugins import versions
from bot.plugins.manifest import Manifest


def problems(manifest: Manifest, others: Mapping[str, Manifest]) -> list[str]:
    """Why the plug-in cannot be installed beside the others, of which one may have its name."""
    rest = {name: each for name, each in others.items() if name != manifest.name}
    found = [
        *of_hubbub(manifest),
        *(_of_need(name, bounds, rest) for name, bounds in manifest.needs.items()),
        *(_of_dependent(each, manifest) for each in rest.values()),
        _of_circle({**rest, manifest.name: manifest}),
    ]
    return [each for each in found if each]


def of_hubbub(manifest: Manifest) -> list[str]:
    """Empty if it works with this version of Hubbub, else why not."""
    here = version("hubbub")
    if versions.fits(here, manifest.hubbub):
        return []
    return [
        f"{manifest.name} {manifest.version} works with Hubbub {manifest.hubbub}; this is {here}."
    ]


def _of_need(name: str, bounds: str, others: Mapping[str, Manifest]) -> str:
    if name not in others:
        return f"It needs the plug-in {name} {bounds}. Install that first."
    found = others[name].version
    if versions.fits(found, bounds):
        return ""
    return f"It needs {name} {bounds}; installed is {found}. Update that first."


def _of_dependent(other: Manifest, manifest: Manifest) -> str:
    bounds = other.needs.get(manifest.name)
    if bounds is None or versions.fits(manifest.version, bounds):
        return ""
    return f"{other.name} needs {manifest.name} {bounds}; this is {manifest.version}."


def _of_circle(all_of_them: Mapping[str, Manifest]) -> str:
    graph = {name: each.needs.keys() & all_of_them.keys() for name, each in all_of_them.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        return f"These plug-ins need each other in a circle: {' > '.join(exc.args[1])}."
    return ""


def dependents(name: str, others: Mapping[str, Manifest]) -> list[str]:
    """The plug-ins that need this one."""
    return sorted(each.name for each in others.values() if name in each.needs)
