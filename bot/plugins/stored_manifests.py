"""The manifests of installed plug-ins. Another version of Hubbub may have accepted them."""

from typing import get_args

from pydantic import ValidationError

from bot.plugins import compatibility
from bot.plugins.manifest import Kind, Manifest
from store.engine.transaction import Tx
from store.plugins import plugins
from store.tables.plugins import PluginRow


def manifest_of(row: PluginRow) -> Manifest:
    """What the plug-in says of itself; only its name if this version does not accept that."""
    try:
        return Manifest.model_validate(row["manifest"])
    except ValidationError:
        return _empty_manifest(row)


async def by_name(tx: Tx) -> dict[str, Manifest]:
    """Those of all installed plug-ins."""
    return {row["name"]: manifest_of(row) for row in await plugins.all_of(tx)}


def why_not_accepted(row: PluginRow) -> str | None:
    """Why this version of Hubbub does not run the plug-in, which another one accepted."""
    try:
        found = Manifest.model_validate(row["manifest"])
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        return (
            f"This version of Hubbub does not accept the manifest of {row['name']} "
            f"{row['version']}: {place[:60]}: {first['msg'][:90]}. The operator has to update it."
        )
    wrong = compatibility.of_hubbub(found)
    return f"{wrong[0]} The operator has to update it." if wrong else None


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
