"""The settings of a plug-in as fields of the form that turns it on."""

from collections.abc import Mapping
from typing import Any

from bot.errors import Refused
from webhooks.page.action_table import Field, Kind
from webhooks.page.visit import Visit

# Before the name of a setting, in the names of fields.
PREFIX = "setting."
KINDS: dict[str, Kind] = {"secret": "secret", "boolean": "choice"}


async def of(visit: Visit, sent: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The settings of the plug-in that the form names. Raise Refused."""
    name = sent.get("plugin", "")
    if not name:
        raise Refused("bad_request", "The form names no plug-in. Go back to the page before.")
    found: dict[str, dict[str, Any]] = (await visit.call("get_plugin", plugin=name)).settings
    return found


def fields(settings: Mapping[str, dict[str, Any]]) -> list[Field]:
    """What is left empty stays as it is."""
    return [
        Field(
            f"{PREFIX}{name}",
            f"{each['description']} ({name}{', with commas' if each['type'] == 'list' else ''})",
            KINDS.get(each["type"], "line"),
            ("", "true", "false") if each["type"] == "boolean" else (),
        )
        for name, each in settings.items()
    ]


def defaults(settings: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    return {
        f"{PREFIX}{name}": f"{each['default']} unless somebody set it"
        for name, each in settings.items()
        if each["default"] is not None
    }


def arguments(settings: Mapping[str, dict[str, Any]], texts: Mapping[str, str]) -> dict[str, Any]:
    given = {
        name: _value(each["type"], texts[f"{PREFIX}{name}"])
        for name, each in settings.items()
        if f"{PREFIX}{name}" in texts
    }
    return {"settings": given} if given else {}


def _value(kind: str, text: str) -> Any:
    """What does not fit stays a text, so that the operation refuses it."""
    if kind == "list":
        return [each.strip() for each in text.split(",") if each.strip()]
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "number":
        try:
            return int(text) if text.lstrip("-").isdecimal() else float(text)
        except ValueError:
            return text
    return text
