"""How an installation uses a plug-in: its role, and its settings, which are kept encrypted."""

import json
from collections.abc import Mapping
from typing import Any

from bot.errors import Refused
from bot.identity.actors import ROLES
from bot.identity.keyring import Keys
from bot.plugins.manifest import Manifest, of_type
from bot.plugins.package import WrongPackage
from store.engine import json_text
from store.tables.agents import Role
from store.tables.plugins import PluginInstallationRow, PluginRow

PURPOSE = "plugin settings"
LONGEST_VALUE = 10_000


def sealed_for(installation_id: int, plugin: str) -> str:
    """What settings are encrypted with, so that they cannot be decrypted in another row."""
    return f"{installation_id} {plugin}"


def seal(keys: Keys, installation_id: int, plugin: str, settings: Mapping[str, Any]) -> bytes:
    content = json.dumps(settings).encode()
    return keys.seal_with_id(PURPOSE, sealed_for(installation_id, plugin), content)


def settings_of(keys: Keys, row: PluginInstallationRow) -> dict[str, Any]:
    """Raise Broken if they cannot be decrypted."""
    about = sealed_for(row["installation_id"], row["plugin"])
    found: dict[str, Any] = json.loads(keys.open_with_id(PURPOSE, about, row["sealed"]))
    return found


def visible_settings(keys: Keys, row: PluginInstallationRow, plugin: PluginRow) -> dict[str, Any]:
    """The settings without secrets, and without those of which nobody says that they are none.

    `plugin`: its manifests may be JSON or not. Raise Broken if they cannot be decrypted.
    """
    now = _types(plugin["manifest"])
    former = plugin["former"]
    found = json_text.value(former) if isinstance(former, str) else former
    before = _types(found["manifest"]) if found else {}
    return {
        name: value
        for name, value in settings_of(keys, row).items()
        if name in now and "secret" not in (now[name], before.get(name))
    }


def _types(manifest: Any) -> dict[str, Any]:
    found = json_text.value(manifest) if isinstance(manifest, str) else manifest
    settings = found.get("settings")
    return {name: each.get("type", "text") for name, each in dict(settings or {}).items()}


# How a value of each type is passed.
WORDS = {
    "text": "a text",
    "secret": "a text",
    "number": "a number",
    "boolean": "true or false",
    "list": 'a list of texts, for example ["a", "b"]',
}


def with_defaults(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the plug-in gets. The manifest may be a newer one than that of `given`."""
    known = {name: each.default for name, each in manifest.settings.items()}
    fitting = {
        name: value
        for name, value in given.items()
        if name in known and of_type(manifest.settings[name].type, value)
    }
    return {name: value for name, value in {**known, **fitting}.items() if value is not None}


def check_complete(manifest: Manifest, settings: Mapping[str, Any]) -> None:
    """Raise WrongPackage if it lacks a setting, which a new version may need."""
    needed = [name for name, each in manifest.settings.items() if each.required]
    if missing := sorted(set(needed) - settings.keys()):
        raise WrongPackage(
            f"{manifest.name} {manifest.version} needs settings without a value: "
            f"{', '.join(missing)}. A tech-lead gives them by turning it on again."
        )


def check_settings(manifest: Manifest, given: Mapping[str, Any]) -> None:
    """Raise Refused."""
    problems = {}
    for name, value in given.items():
        setting = manifest.settings.get(name)
        if setting is None:
            known = ", ".join(manifest.settings) or "none"
            problems[name] = f"is no setting of {manifest.name}; it has {known}"
        elif not of_type(setting.type, value):
            problems[name] = f"must be {WORDS[setting.type]}"
        elif len(json.dumps(value)) > LONGEST_VALUE:
            problems[name] = f"is longer than {LONGEST_VALUE} characters"
    for name, setting in manifest.settings.items():
        if setting.required and setting.default is None and name not in given:
            problems[name] = f"is needed: {setting.description}"
    if problems:
        raise Refused(
            "invalid_arguments",
            "; ".join(f"settings.{name} {why}" for name, why in problems.items()) + ".",
            errors=[{"argument": f"settings.{k}", "problem": why} for k, why in problems.items()],
        )


def lower(one: Role, other: Role) -> Role:
    return min(one, other, key=ROLES.index)
